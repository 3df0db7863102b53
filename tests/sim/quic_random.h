// The seed of BoringSSL's own random numbers, in executables that link culvert::deterministic_random (core/cmake/
// boringssl_deterministic.cmake). Keys, nonces of signatures, ClientHello randoms and everything else TLS draws then follow
// from it. Elsewhere there is no such function, and the executable does not link.
// Thread: sets the seed of the calling thread's generator; a simulation is one thread.
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// From now on BoringSSL's numbers are those that belong to `seed`, whatever was drawn before.
void CulvertSeedBoringSsl(uint64_t seed);

#ifdef __cplusplus
}
#endif
