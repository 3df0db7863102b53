// Numbers as people read them. Three or four characters and a unit: exact figures are in -o json.
// Thread: any; no state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "google/protobuf/duration.pb.h"

namespace culvert::cli {

// "0B", "12KiB", "1.1GiB": binary units, one decimal unless exact.
std::string HumanBytes(uint64_t bytes);
// "0b", "18.2Mb", "1.9Gb": bits of one second, decimal units, from bytes of one second.
std::string HumanBitRate(double bytes_per_second);
// "0.04ms", "38.1ms", "112ms", "1.2s", from a measured time.
std::string HumanLatency(const google::protobuf::Duration& duration);
// "17s", "41m", "5h", "3d": the largest unit alone.
std::string HumanAge(int64_t seconds);
// "3d2h", "5h12m", "41m3s", "17s": the two largest units.
std::string HumanUptime(int64_t seconds);
// "0.4%"; "-" when nothing was counted.
std::string HumanShare(std::optional<double> share);

double Seconds(const google::protobuf::Duration& duration);

}  // namespace culvert::cli
