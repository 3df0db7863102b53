/* The entropy of BoringSSL's deterministic mode; see quic_random.h. Takes the place of BoringSSL's
 * urandom.c, with access to its internals. */
#include "tests/sim/quic_random.h"

#include <openssl/mem.h>

#include "crypto/fipsmodule/rand/internal.h"
#include "crypto/internal.h"

static uint64_t state;

/* SplitMix64: the generator above it is BoringSSL's own CTR-DRBG, which this only feeds. */
static uint64_t NextNumber(void) {
  state += UINT64_C(0x9e3779b97f4a7c15);
  uint64_t mixed = state;
  mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
  return mixed ^ (mixed >> 31);
}

void CRYPTO_sysrand(uint8_t *out, size_t size) {
  for (size_t done = 0; done < size;) {
    uint64_t number = NextNumber();
    for (size_t i = 0; i < sizeof number && done < size; ++i, ++done, number >>= 8) out[done] = (uint8_t)number;
  }
}

void CRYPTO_sysrand_for_seed(uint8_t *out, size_t size) { CRYPTO_sysrand(out, size); }

int CRYPTO_sysrand_if_available(uint8_t *out, size_t size) {
  CRYPTO_sysrand(out, size);
  return 1;
}

void CRYPTO_init_sysrand(void) {}

static void FreeGenerator(void *generator) { OPENSSL_free(generator); }

void CulvertSeedBoringSsl(uint64_t seed) {
  state = seed;
  /* The thread's generator remembers what it gave; without one the next draw makes another, from the seed. */
  void *generator = CRYPTO_get_thread_local(OPENSSL_THREAD_LOCAL_RAND);
  if (generator == NULL) return;
  if (CRYPTO_set_thread_local(OPENSSL_THREAD_LOCAL_RAND, NULL, FreeGenerator)) OPENSSL_free(generator);
}
