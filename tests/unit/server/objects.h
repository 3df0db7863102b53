// Objects of the API for tests, written in protobuf text form.
#pragma once

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>

#include "culvert/v1/config.pb.h"

namespace culvert::server {

inline v1::Object ParseObject(const std::string& text) {
  v1::Object object;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &object)) << text;
  return object;
}

inline constexpr char kSeed[] = "correct horse battery staple";

inline v1::Object TcpListener(const std::string& name, const std::string& bind) {
  return ParseObject("listener { metadata { name: '" + name + "' } spec { transport: TRANSPORT_TCP bind: '" + bind + "' } }");
}
inline v1::Object KcpListener(const std::string& name, const std::string& bind, const std::string& kcp = "") {
  return ParseObject("listener { metadata { name: '" + name + "' } spec { transport: TRANSPORT_KCP bind: '" + bind +
                     "' kcp { seed: '" + kSeed + "' " + kcp + " } } }");
}
inline v1::Object KcpDialer(const std::string& name, const std::string& target) {
  return ParseObject("dialer { metadata { name: '" + name + "' } spec { transport: TRANSPORT_KCP targets: '" + target +
                     "' kcp { seed: '" + kSeed + "' } } }");
}
inline v1::Object ForwardTo(const std::string& name, const std::string& listener, const std::string& dialer) {
  return ParseObject("forward { metadata { name: '" + name + "' } spec { listener: '" + listener + "' dialer: '" + dialer +
                     "' } }");
}
inline v1::Object ForwardDirect(const std::string& name, const std::string& listener) {
  return ParseObject("forward { metadata { name: '" + name + "' } spec { listener: '" + listener +
                     "' destination: 'db:5432' } }");
}

}  // namespace culvert::server
