// check_api DESCRIPTOR_SET: exit status 0 when the API declares what it must, 1 with a line per fault, 2 when that cannot be told.
#include <fstream>
#include <iostream>

#include "proto/api_rules/api_rules.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: check_api DESCRIPTOR_SET\n";
    return 2;
  }
  std::ifstream in(argv[1], std::ios::binary);
  google::protobuf::FileDescriptorSet set;
  if (!in || !set.ParseFromIstream(&in)) {
    std::cerr << argv[1] << ": not a descriptor set\n";
    return 2;
  }
  const auto faults = culvert::api_rules::FindFaults(set);
  if (!faults.ok()) {
    std::cerr << argv[1] << ": " << faults.status().message() << "\n";
    return 2;
  }
  for (const culvert::api_rules::Fault& fault : *faults) std::cerr << fault.ToString() << "\n";
  return faults->empty() ? 0 : 1;
}
