// ArenaCalls: what makes the messages of a method's calls on an arena of each call. Making and freeing a page of a thousand objects piece by
// piece takes longer than all the rest of a list.
// Thread: any.
#pragma once

#include <google/protobuf/arena.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/message_allocator.h>

#include <memory>

namespace culvert::server {

template <typename Request, typename Response>
class ArenaCalls final : public grpc::MessageAllocator<Request, Response> {
 public:
  class Holder final : public grpc::MessageHolder<Request, Response> {
   public:
    Holder() {
      this->set_request(google::protobuf::Arena::CreateMessage<Request>(arena.get()));
      this->set_response(google::protobuf::Arena::CreateMessage<Response>(arena.get()));
    }
    void Release() override { delete this; }

    // Whoever still makes a message on it when the call is over, keeps it.
    const std::shared_ptr<google::protobuf::Arena> arena = std::make_shared<google::protobuf::Arena>();
  };

  grpc::MessageHolder<Request, Response>* AllocateMessages() override { return new Holder; }
};

// A message on the arena of `call`, which lives as long as it. REQUIRES: the method's calls are made by ArenaCalls<Request, Response>.
template <typename Request, typename Response>
std::shared_ptr<Response> OnArenaOf(grpc::CallbackServerContext& call) {
  const auto& arena = static_cast<typename ArenaCalls<Request, Response>::Holder*>(call.GetRpcAllocatorState())->arena;
  return {arena, google::protobuf::Arena::CreateMessage<Response>(arena.get())};
}

}  // namespace culvert::server
