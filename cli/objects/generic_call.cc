#include "cli/objects/generic_call.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/generic/generic_stub.h"

namespace culvert::cli {
namespace {

grpc::ByteBuffer ToBuffer(const google::protobuf::Message& message) {
  const grpc::Slice slice(message.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

bool FromBuffer(const grpc::ByteBuffer& buffer, google::protobuf::Message& message) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return false;
  std::string bytes;
  for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return message.ParseFromString(bytes);
}

// One operation at a time, so that what comes back is the one that was begun.
bool Wait(grpc::CompletionQueue& queue) {
  void* tag = nullptr;
  bool ok = false;
  return queue.Next(&tag, &ok) && ok;
}

}  // namespace

Outcome CallGeneric(Client& client, const ApiMethod& method, const google::protobuf::Message& request,
                    const std::function<bool(const google::protobuf::Message&)>& take) {
  if (Outcome failed = client.Connect()) return failed;
  grpc::GenericStub stub(client.channel());
  grpc::ClientContext call;
  if (!method.IsServerStreaming()) Client::SetDeadline(call, client.request_timeout());
  grpc::CompletionQueue queue;
  const auto stream = stub.PrepareCall(&call, absl::StrCat("/", method.full_name()), &queue);
  const std::unique_ptr<google::protobuf::Message> response(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(method.method->output_type())->New());
  bool is_readable = true;
  bool is_wanted = true;
  stream->StartCall(nullptr);
  if (Wait(queue)) {
    stream->WriteLast(ToBuffer(request), grpc::WriteOptions(), nullptr);
    (void)Wait(queue);
    grpc::ByteBuffer buffer;
    for (;;) {
      stream->Read(&buffer, nullptr);
      if (!Wait(queue)) break;
      is_readable = FromBuffer(buffer, *response);
      is_wanted = is_readable && take(*response);
      if (is_wanted) continue;
      call.TryCancel();
      break;
    }
  }
  grpc::Status status;
  stream->Finish(&status, nullptr);
  (void)Wait(queue);
  if (!is_readable) return Fail(ExitCode::kServer, "the answer is no " + method.method->output_type()->name());
  if (!is_wanted || status.ok()) return std::nullopt;
  return client.Explain(status);
}

}  // namespace culvert::cli
