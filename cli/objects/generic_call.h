// A method of the API called by its descriptor: the messages are the compiled ones, the method is known only when the program runs.
// Thread: confined to the caller, which it blocks.
#pragma once

#include <functional>

#include "cli/objects/api_methods.h"
#include "cli/target/client.h"
#include "google/protobuf/message.h"

namespace culvert::cli {

// Sends `request` and hands every response to `take`, until the call ends or `take` answers false. A unary call has the deadline of
// --request-timeout, a stream none. REQUIRES: the method takes one request.
Outcome CallGeneric(Client& client, const ApiMethod& method, const google::protobuf::Message& request,
                    const std::function<bool(const google::protobuf::Message&)>& take);

}  // namespace culvert::cli
