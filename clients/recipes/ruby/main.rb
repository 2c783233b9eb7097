# frozen_string_literal: true

# Kindred with the bare Ruby stub: writes a key, races two writes, resolves them, and reads an error's detail.

require 'grpc'
require 'securerandom'
require 'google/rpc/status_pb'
require 'kindred/v1/kv_services_pb'
require 'kindred/v1/types_pb'

V1 = Kindred::V1
DETAIL_TYPE = 'type.googleapis.com/kindred.v1.ErrorDetail'

# One key at a time through one node.
class Store
  def initialize(address)
    @stub = V1::KeyValueService::Stub.new(address, :this_channel_is_insecure, timeout: 5)
  end

  def get(key)
    @stub.get(V1::GetRequest.new(key: V1::Key.new(key: key)))
  end

  # +context+: that of an earlier answer for this key; nil for a blind write.
  def put(key, data, context: nil)
    request = V1::PutRequest.new(key: V1::Key.new(key: key), value: V1::Value.new(data: data))
    # The same for each repetition of one logical write: it then counts once.
    request.options = V1::WriteOptions.new(request_id: SecureRandom.bytes(16))
    request.context = context unless context.nil?
    attempts = 0
    begin
      attempts += 1
      @stub.put(request)
    rescue GRPC::Unavailable, GRPC::Aborted
      retry if attempts < 4
      raise
    end
  end
end

# What the server says about a failure; nil: nothing, and the outcome of a write is unknown.
def detail_of(error)
  packed = error.metadata['grpc-status-details-bin']
  return nil if packed.nil?

  any = Google::Rpc::Status.decode(packed).details.find { |each| each.type_url == DETAIL_TYPE }
  any && V1::ErrorDetail.decode(any.value)
end

store = Store.new(ARGV.fetch(0, '127.0.0.1:7400'))
key = "recipe/ruby/#{SecureRandom.hex(8)}"

first = store.put(key, 'milk').context
store.put(key, 'milk, eggs', context: first)
raced = store.put(key, 'milk, bread', context: first)
puts "versions held: #{raced.versions_held}"

both = store.get(key)
values = both.versions.filter_map { |version| version.value&.data }
puts "#{both.state}: #{values.join(' | ')}"

store.put(key, 'milk, eggs, bread', context: both.context)
one = store.get(key)
puts "#{one.state}: #{one.versions.first.value.data}"

begin
  store.put("#{key}/other", 'x', context: both.context)
rescue GRPC::BadStatus => e
  puts "refused: #{detail_of(e)&.reason}"
end
