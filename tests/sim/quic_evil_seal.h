// A packet with frames of one's own choice, sealed with a connection's real keys. C, because ngtcp2's private headers are.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <ngtcp2/ngtcp2.h>

#ifdef __cplusplus
extern "C" {
#endif

// Writes a 1-RTT packet with the next packet number. Returns its size; 0: there are no keys yet, or it does not fit.
size_t CulvertSealFrames(ngtcp2_conn* conn, const uint8_t* frames, size_t frames_size, uint8_t* out, size_t capacity);

// The highest packet number that was received in 1-RTT packets; -1: none.
int64_t CulvertHighestReceived(ngtcp2_conn* conn);

#ifdef __cplusplus
}
#endif
