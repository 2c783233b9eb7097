// Kindred with the bare C++ stub: writes a key, races two writes, resolves them, and reads an error's detail.

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <exception>
#include <iostream>
#include <random>
#include <stdexcept>
#include <string>

#include "google/rpc/status.pb.h"
#include "kindred/v1/kv.grpc.pb.h"
#include "kindred/v1/types.pb.h"

namespace kv = kindred::v1;

// Every call needs a deadline of its own: a context serves one call.
void SetDeadline(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
}

// 16 random bytes, the same for each repetition of one logical write: it then counts once.
std::string RequestId() {
  std::random_device random;
  std::string id;
  while (id.size() < 16) id.push_back(static_cast<char>(random()));
  return id;
}

// What the server says about a failure. Without a detail the outcome of a write is unknown.
kv::ErrorDetail DetailOf(const grpc::Status& status) {
  google::rpc::Status packed;
  kv::ErrorDetail detail;
  if (packed.ParseFromString(status.error_details())) {
    for (const auto& any : packed.details()) {
      if (any.UnpackTo(&detail)) break;
    }
  }
  return detail;
}

kv::GetResponse Get(kv::KeyValueService::Stub& stub, const std::string& key) {
  grpc::ClientContext context;
  SetDeadline(context);
  kv::GetRequest request;
  request.mutable_key()->set_key(key);
  kv::GetResponse response;
  const grpc::Status status = stub.Get(&context, request, &response);
  if (!status.ok()) throw std::runtime_error(status.error_message());
  return response;
}

// `causality`: the context of an earlier answer for this key, or empty for a blind write.
kv::PutResponse Put(kv::KeyValueService::Stub& stub, const std::string& key, const std::string& data,
                    const std::string& causality) {
  kv::PutRequest request;
  request.mutable_key()->set_key(key);
  request.mutable_value()->set_data(data);
  if (!causality.empty()) request.set_context(causality);
  request.mutable_options()->set_request_id(RequestId());
  grpc::Status status;
  for (int attempt = 1; attempt <= 4; ++attempt) {
    grpc::ClientContext context;
    SetDeadline(context);
    kv::PutResponse response;
    status = stub.Put(&context, request, &response);
    if (status.ok()) return response;
    // With the request id a repetition is safe, also after a broken connection.
    if (status.error_code() != grpc::StatusCode::UNAVAILABLE && status.error_code() != grpc::StatusCode::ABORTED) break;
  }
  throw std::runtime_error(kv::ErrorReason_Name(DetailOf(status).reason()) + ": " + status.error_message());
}

void Tour(const std::string& address) {
  const auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  const auto stub = kv::KeyValueService::NewStub(channel);
  const std::string key = "recipe/cpp/" + std::to_string(std::random_device{}());

  const std::string first = Put(*stub, key, "milk", "").context();
  Put(*stub, key, "milk, eggs", first);
  const auto raced = Put(*stub, key, "milk, bread", first);
  std::cout << "versions held: " << raced.versions_held() << "\n";

  const kv::GetResponse both = Get(*stub, key);
  std::string merged;
  for (const auto& version : both.versions()) {
    if (!version.has_value()) continue;  // a deletion that raced
    merged += (merged.empty() ? "" : " | ") + version.value().data();
  }
  std::cout << kv::GetResponse::State_Name(both.state()) << ": " << merged << "\n";

  Put(*stub, key, "milk, eggs, bread", both.context());
  const kv::GetResponse one = Get(*stub, key);
  std::cout << kv::GetResponse::State_Name(one.state()) << ": " << one.versions(0).value().data() << "\n";

  try {
    Put(*stub, key + "/other", "x", both.context());
  } catch (const std::runtime_error& error) {
    const std::string text = error.what();
    std::cout << "refused: " << text.substr(0, text.find(':')) << "\n";
  }
}

int main(int argc, char** argv) {
  try {
    Tour(argc > 1 ? argv[1] : "127.0.0.1:7400");
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
