// A handle as a short piece of text, for ids that people see and type: the worker's number, "x", and the handle in base 36.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "core/base/slot_map.h"

namespace culvert::server {

// "0x1a". The index above the generation keeps the number short for the first users of a slot.
inline std::string HandleText(uint32_t worker, SlotHandle handle) {
  constexpr int kBase = 36;
  char digits[24];
  std::string text = std::to_string(worker) + "x";
  const uint64_t number = static_cast<uint64_t>(handle.index) << 32 | handle.generation;
  text.append(digits, std::to_chars(digits, digits + sizeof digits, number, kBase).ptr);
  return text;
}

// nullopt: not the text of a handle of `worker`.
inline std::optional<SlotHandle> ParseHandleText(std::string_view text, uint32_t worker) {
  constexpr int kBase = 36;
  uint32_t owner = 0;
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, owner);
  if (first.ec != std::errc() || owner != worker || first.ptr == end || *first.ptr != 'x') return std::nullopt;
  const auto second = std::from_chars(first.ptr + 1, end, number, kBase);
  if (second.ec != std::errc() || second.ptr != end) return std::nullopt;
  return SlotHandle{static_cast<uint32_t>(number >> 32), static_cast<uint32_t>(number)};
}

}  // namespace culvert::server
