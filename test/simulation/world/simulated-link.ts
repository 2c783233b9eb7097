/** The way from one host to another: how long what is sent takes, and whether anything gets through at all. */

import type { SeededRandom } from '../../support/seeded-random.ts';
import type { NetworkWeather } from '../plan/seed-plan.ts';

/** 1 Gbit/s. */
const bytesPerMicro = 125;

export class SimulatedLink {
  readonly from: string;
  readonly to: string;
  readonly random: SeededRandom;
  blocked = false;
  extraMicros = 0;
  /** Nothing is lost or late for no reason any more. */
  calm = false;
  /** Why what was sent last takes longer than usual; for the trace. */
  late: string | undefined;
  readonly #weather: NetworkWeather;

  constructor(from: string, to: string, weather: NetworkWeather, random: SeededRandom) {
    this.from = from;
    this.to = to;
    this.#weather = weather;
    this.random = random;
  }

  /** A sender is asked to pause above so many bytes that have not arrived. */
  get sendBytesMax(): number {
    return this.#weather.sendBytesMax ?? 1024 * 1024;
  }

  /** Nothing takes longer, if it is small and nothing is the matter. */
  get usualMicros(): number {
    return this.#weather.latencyMax;
  }

  /** What `bytes` take this time, a loss that TCP makes good included. */
  delayMicros(bytes: number): number {
    const { latencyMin, latencyMax, lossPercent, retransmitMicros, spikePercent, spikeMicros } =
      this.#weather;
    let micros =
      this.random.between(latencyMin, latencyMax) + this.extraMicros + Math.floor(bytes / bytesPerMicro);
    this.late = this.extraMicros > 0 ? 'slow link' : undefined;
    if (this.calm) return micros;
    const chance = this.random.below(100);
    if (chance < lossPercent) {
      micros += retransmitMicros;
      this.late = 'retransmitted';
    } else if (chance < lossPercent + spikePercent) {
      micros += this.random.below(spikeMicros + 1);
      this.late = 'spike';
    }
    return micros;
  }

  /** Whether the stream breaks with this frame, for no reason. */
  breaks(): boolean {
    return (
      !this.calm &&
      this.#weather.resetPerTenThousand > 0 &&
      this.random.below(10_000) < this.#weather.resetPerTenThousand
    );
  }

  /** When TCP tries again after the link was blocked, counted from then. */
  retryMicros(): number {
    return this.random.below(this.#weather.retransmitMicros + 1);
  }
}

/** `220.3 ms under way (retransmitted)` */
export function travelText(micros: number, why: string | undefined): string {
  return `${(micros / 1000).toFixed(1)} ms under way${why === undefined ? '' : ` (${why})`}`;
}
