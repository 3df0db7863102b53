#include "tests/sim/quic_evil_seal.h"

#include <string.h>

#include "ngtcp2_conn.h"

enum { kNumberSize = 4, kTagSize = 16, kNonceSize = 12 };

size_t CulvertSealFrames(ngtcp2_conn* conn, const uint8_t* frames, size_t frames_size, uint8_t* out, size_t capacity) {
  ngtcp2_pktns* space = &conn->pktns;
  const ngtcp2_crypto_km* key = space->crypto.tx.ckm;
  const ngtcp2_cid* id = &conn->dcid.current.cid;
  const size_t header_size = 1 + id->datalen + kNumberSize;
  if (key == NULL || header_size + frames_size + kTagSize > capacity || key->iv.len != kNonceSize) return 0;

  const uint64_t number = (uint64_t)++space->tx.last_pkt_num;
  uint8_t* number_at = out + 1 + id->datalen;
  out[0] = 0x40 | (kNumberSize - 1);
  if (key->flags & NGTCP2_CRYPTO_KM_FLAG_KEY_PHASE_ONE) out[0] |= 0x04;
  memcpy(out + 1, id->data, id->datalen);
  for (int i = 0; i < kNumberSize; ++i) number_at[i] = (uint8_t)(number >> (8 * (kNumberSize - 1 - i)));

  uint8_t nonce[kNonceSize];
  memcpy(nonce, key->iv.base, kNonceSize);
  for (int i = 0; i < 8; ++i) nonce[kNonceSize - 1 - i] ^= (uint8_t)(number >> (8 * i));
  uint8_t* sealed = out + header_size;
  if (conn->callbacks.encrypt(sealed, &space->crypto.ctx.aead, &key->aead_ctx, frames, frames_size, nonce, kNonceSize, out,
                              header_size) != 0) {
    return 0;
  }
  uint8_t mask[16];
  if (conn->callbacks.hp_mask(mask, &space->crypto.ctx.hp, &space->crypto.tx.hp_ctx, number_at + 4) != 0) return 0;
  out[0] ^= mask[0] & 0x1f;
  for (int i = 0; i < kNumberSize; ++i) number_at[i] ^= mask[1 + i];
  return header_size + frames_size + kTagSize;
}

int64_t CulvertHighestReceived(ngtcp2_conn* conn) { return conn->pktns.rx.max_ack_eliciting_pkt_num; }
