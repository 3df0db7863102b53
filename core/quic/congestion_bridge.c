#include "core/quic/congestion_bridge.h"

#include "ngtcp2_cc.h"
#include "ngtcp2_conn.h"
#include "ngtcp2_frame_chain.h"
#include "ngtcp2_pkt.h"
#include "ngtcp2_pmtud.h"
#include "ngtcp2_rst.h"

/*
 * Where things are put: ngtcp2_conn has one union for the state of whatever controller runs. Every packet number space keeps the
 * address of its first member, ngtcp2_cc, whose function pointers we replace. Our own pointers go to the end of that union,
 * which CUBIC's state does not reach (and BBR's does, so that one stays as it is).
 */
union controllers {
  ngtcp2_cc cc;
  ngtcp2_cc_reno reno;
  ngtcp2_cc_cubic cubic;
  ngtcp2_cc_bbr bbr;
};

struct ours {
  const struct culvert_quic_cc_hooks *hooks;
  void *owner;
};

_Static_assert(offsetof(ngtcp2_conn, mem) == offsetof(ngtcp2_conn, cc) + sizeof(union controllers),
               "ngtcp2_conn keeps its controllers in another way");
_Static_assert(offsetof(ngtcp2_conn, cubic) == offsetof(ngtcp2_conn, cc) && offsetof(ngtcp2_cc_cubic, cc) == 0,
               "a controller does not begin with its ngtcp2_cc");
_Static_assert(sizeof(ngtcp2_cc_cubic) + sizeof(struct ours) <= sizeof(union controllers), "no room beside CUBIC's state");
_Static_assert((offsetof(ngtcp2_conn, cc) + sizeof(union controllers) - sizeof(struct ours)) % _Alignof(struct ours) == 0,
               "our pointers would not be aligned");

static ngtcp2_conn *conn_of(ngtcp2_cc *cc) { return (ngtcp2_conn *)(void *)((char *)cc - offsetof(ngtcp2_conn, cc)); }

static struct ours *ours_of(ngtcp2_cc *cc) {
  return (struct ours *)(void *)((char *)cc + sizeof(union controllers) - sizeof(struct ours));
}

static bool is_application(const ngtcp2_cc_pkt *pkt) { return pkt->pktns_id == NGTCP2_PKTNS_ID_APPLICATION; }

/* The functions that take the place of the library's. */

static void on_pkt_sent(ngtcp2_cc *cc, ngtcp2_conn_stat *cstat, const ngtcp2_cc_pkt *pkt) {
  const struct ours *ours = ours_of(cc);
  (void)cstat;
  ours->hooks->sent(ours->owner, pkt->pkt_num, pkt->pktlen, pkt->tx_in_flight - pkt->pktlen, pkt->sent_ts);
}

static void on_pkt_acked(ngtcp2_cc *cc, ngtcp2_conn_stat *cstat, const ngtcp2_cc_pkt *pkt, ngtcp2_tstamp ts) {
  const struct ours *ours = ours_of(cc);
  (void)cstat;
  (void)ts;
  ours->hooks->acked(ours->owner, is_application(pkt), pkt->pkt_num, pkt->pktlen);
}

static void on_pkt_lost(ngtcp2_cc *cc, ngtcp2_conn_stat *cstat, const ngtcp2_cc_pkt *pkt, ngtcp2_tstamp ts) {
  const struct ours *ours = ours_of(cc);
  (void)cstat;
  (void)ts;
  ours->hooks->lost(ours->owner, is_application(pkt), pkt->pkt_num, pkt->pktlen);
}

/* Marks (no bytes lost) are seen by their count. */
static void on_congestion(ngtcp2_cc *cc, ngtcp2_conn_stat *cstat, ngtcp2_tstamp sent_ts, uint64_t bytes_lost,
                          ngtcp2_tstamp ts) {
  const struct ours *ours = ours_of(cc);
  (void)cstat;
  (void)sent_ts;
  if (bytes_lost > 0) {
    ours->hooks->losses_detected(ours->owner, ts);
  }
}

static void on_persistent_congestion(ngtcp2_cc *cc, ngtcp2_conn_stat *cstat, ngtcp2_tstamp ts) {
  const struct ours *ours = ours_of(cc);
  (void)cstat;
  ours->hooks->persistent_congestion(ours->owner, ts);
}

static void on_ack_recv(ngtcp2_cc *cc, ngtcp2_conn_stat *cstat, const ngtcp2_cc_ack *ack, ngtcp2_tstamp ts) {
  const struct ours *ours = ours_of(cc);
  const ngtcp2_rs *rs = &conn_of(cc)->rst.rs;
  struct culvert_quic_cc_ack told;
  (void)cstat;
  told.prior_bytes_in_flight = ack->prior_bytes_in_flight;
  told.rtt = ack->rtt;
  told.rate_interval = rs->prior_ts == UINT64_MAX ? 0 : rs->interval;
  told.rate_delivered_bytes = rs->delivered;
  told.rate_prior_delivered_bytes = rs->prior_delivered;
  told.rate_packet = rs->last_end_seq;
  told.is_application_limited = rs->is_app_limited != 0;
  ours->hooks->ack_processed(ours->owner, &told, ts);
}

static void on_reset(ngtcp2_cc *cc, ngtcp2_conn_stat *cstat, ngtcp2_tstamp ts) {
  const struct ours *ours = ours_of(cc);
  (void)cstat;
  (void)ts;
  ours->hooks->path_changed(ours->owner);
}

/* The same beside ngtcp2's CUBIC: it decides first, then we are told. */

static void cubic_on_congestion(ngtcp2_cc *cc, ngtcp2_conn_stat *cstat, ngtcp2_tstamp sent_ts, uint64_t bytes_lost,
                                ngtcp2_tstamp ts) {
  ngtcp2_cc_cubic_cc_congestion_event(cc, cstat, sent_ts, bytes_lost, ts);
  on_congestion(cc, cstat, sent_ts, bytes_lost, ts);
}

static void cubic_on_persistent_congestion(ngtcp2_cc *cc, ngtcp2_conn_stat *cstat, ngtcp2_tstamp ts) {
  ngtcp2_cc_cubic_cc_on_persistent_congestion(cc, cstat, ts);
  on_persistent_congestion(cc, cstat, ts);
}

static void cubic_on_ack_recv(ngtcp2_cc *cc, ngtcp2_conn_stat *cstat, const ngtcp2_cc_ack *ack, ngtcp2_tstamp ts) {
  ngtcp2_cc_cubic_cc_on_ack_recv(cc, cstat, ack, ts);
  on_ack_recv(cc, cstat, ack, ts);
}

static void cubic_on_reset(ngtcp2_cc *cc, ngtcp2_conn_stat *cstat, ngtcp2_tstamp ts) {
  ngtcp2_cc_cubic_cc_reset(cc, cstat, ts);
  on_reset(cc, cstat, ts);
}

void culvert_quic_cc_install(ngtcp2_conn *conn, enum culvert_quic_cc_mode mode, const struct culvert_quic_cc_hooks *hooks,
                             void *owner) {
  ngtcp2_cc *cc = &conn->cc;
  struct ours *ours = ours_of(cc);
  ours->hooks = hooks;
  ours->owner = owner;
  cc->on_pkt_sent = on_pkt_sent;
  cc->on_pkt_acked = on_pkt_acked;
  cc->on_pkt_lost = on_pkt_lost;
  if (mode == CULVERT_QUIC_CC_CUBIC) {
    cc->congestion_event = cubic_on_congestion;
    cc->on_persistent_congestion = cubic_on_persistent_congestion;
    cc->on_ack_recv = cubic_on_ack_recv;
    cc->reset = cubic_on_reset;
    return;
  }
  cc->congestion_event = on_congestion;
  cc->on_spurious_congestion = NULL;
  cc->on_persistent_congestion = on_persistent_congestion;
  cc->on_ack_recv = on_ack_recv;
  cc->new_rtt_sample = NULL;
  cc->reset = on_reset;
  cc->event = NULL;
}

struct culvert_quic_path culvert_quic_path_now(const ngtcp2_conn *conn) {
  const ngtcp2_conn_stat *cstat = &conn->cstat;
  struct culvert_quic_path path;
  path.bytes_in_flight = cstat->bytes_in_flight;
  path.delivered_bytes = conn->rst.delivered;
  path.smoothed_rtt = cstat->smoothed_rtt;
  path.has_rtt = cstat->first_rtt_sample_ts != UINT64_MAX;
  path.window_bytes = cstat->cwnd;
  path.slow_start_threshold_bytes = cstat->ssthresh;
  path.pacing_interval = cstat->pacing_interval;
  path.datagram_bytes = (uint32_t)cstat->max_tx_udp_payload_size;
  path.pto_count = (uint32_t)cstat->pto_count;
  path.ecn_marks = conn->pktns.acktr.ecn.ack.ce;
  path.next_packet_number = conn->pktns.tx.last_pkt_num + 1;
  return path;
}

uint32_t culvert_quic_pto_count(const ngtcp2_conn *conn) { return (uint32_t)conn->cstat.pto_count; }

/* The queue also holds streams that only have a larger window to announce. */
bool culvert_quic_has_lost_data(const ngtcp2_conn *conn) {
  const ngtcp2_pq *queue = &conn->tx.strmq;
  for (size_t i = 0; i < queue->length; ++i) {
    if (!ngtcp2_strm_streamfrq_empty(ngtcp2_struct_of(queue->q[i], ngtcp2_strm, pe))) return true;
  }
  return false;
}

void culvert_quic_set_window(ngtcp2_conn *conn, uint64_t window_bytes, uint64_t threshold_bytes) {
  conn->cstat.cwnd = window_bytes;
  conn->cstat.ssthresh = threshold_bytes;
}

void culvert_quic_end_stopped_stream(ngtcp2_conn *conn, int64_t stream_id) {
  ngtcp2_strm *strm = ngtcp2_conn_find_stream(conn, stream_id);
  if (strm && (strm->flags & NGTCP2_STRM_FLAG_STOP_SENDING) && (strm->flags & NGTCP2_STRM_FLAG_SHUT_RD)) {
    ngtcp2_strm_update_rx_offset(strm, strm->rx.last_offset);
    (void)ngtcp2_conn_close_stream_if_shut_rdwr(conn, strm);
  }
}

void culvert_quic_set_keep_alive(ngtcp2_conn *conn, uint64_t timeout) {
  ngtcp2_conn_set_keep_alive_timeout(conn, timeout);
  conn->flags &= (uint32_t)~NGTCP2_CONN_FLAG_KEEP_ALIVE_CANCELLED;
}

bool culvert_quic_is_stop_sending_received(ngtcp2_conn *conn, int64_t stream_id) {
  const ngtcp2_strm *strm = ngtcp2_conn_find_stream(conn, stream_id);
  return strm && (strm->flags & NGTCP2_STRM_FLAG_STOP_SENDING_RECVED);
}

bool culvert_quic_is_new_packet(ngtcp2_conn *conn, const uint8_t *header, size_t size) {
  const size_t length = (size_t)(header[0] & 3) + 1;
  int64_t number = 0;
  size_t i;
  if (size < length) {
    return false;
  }
  for (i = size - length; i < size; ++i) {
    number = number << 8 | header[i];
  }
  number = ngtcp2_pkt_adjust_pkt_num(conn->pktns.acktr.max_pkt_num, number, length);
  return number >= 0 && !ngtcp2_gaptr_is_pushed(&conn->pktns.rx.pngap, (uint64_t)number, 1);
}

void culvert_quic_cap_timeouts(ngtcp2_conn *conn, uint32_t most, uint64_t now) {
  if (conn->cstat.pto_count > most) {
    conn->cstat.pto_count = most;
    ngtcp2_conn_set_loss_detection_timer(conn, now);
    /* It counts from the last packet sent. Where none could be sent since (the peer's address is not proved), that is over already. */
    if (conn->cstat.loss_detection_timer != UINT64_MAX && conn->cstat.loss_detection_timer <= now) {
      conn->cstat.loss_detection_timer = now + (ngtcp2_conn_get_pto(conn) << most);
    }
  }
}

/*
 * A PING of its own: a packet that only repeats a NEW_CONNECTION_ID is a probing packet (RFC 9000 section 9.1), and a peer that gets nothing
 * else from our new address goes on sending to the old one.
 */
static void queue_ping(ngtcp2_conn *conn) {
  ngtcp2_frame_chain *ping;
  if (conn->pktns.tx.frq && conn->pktns.tx.frq->fr.type == NGTCP2_FRAME_PING) {
    return;
  }
  if (ngtcp2_frame_chain_objalloc_new(&ping, &conn->frc_objalloc) == 0) {
    ping->fr.type = NGTCP2_FRAME_PING;
    ping->next = conn->pktns.tx.frq;
    conn->pktns.tx.frq = ping;
  }
}

void culvert_quic_probe(ngtcp2_conn *conn) {
  if (!conn->pktns.crypto.tx.ckm) {
    return;
  }
  queue_ping(conn);
  if (conn->pktns.rtb.probe_pkt_left == 0) {
    conn->pktns.rtb.probe_pkt_left = 1;
  }
}

void culvert_quic_watch_for_losses(ngtcp2_conn *conn, uint64_t now) {
  if (conn->cstat.loss_detection_timer == UINT64_MAX) {
    ngtcp2_conn_set_loss_detection_timer(conn, now);
  }
}

void culvert_quic_hold_until(ngtcp2_conn *conn, uint64_t when) { conn->tx.pacing.next_ts = when; }

/* While a path is validated the library begins and ends searches itself, and expects to find none. */
static bool may_touch_mtu(const ngtcp2_conn *conn) {
  return (conn->flags & NGTCP2_CONN_FLAG_HANDSHAKE_CONFIRMED) && conn->pv == NULL && conn->remote.transport_params;
}

bool culvert_quic_reduce_mtu(ngtcp2_conn *conn) {
  if (!ngtcp2_conn_get_handshake_completed(conn) || !conn->remote.transport_params ||
      conn->dcid.current.max_udp_payload_size <= NGTCP2_MAX_UDP_PAYLOAD_SIZE) {
    return false;
  }
  ngtcp2_conn_stop_pmtud(conn);
  conn->dcid.current.max_udp_payload_size = NGTCP2_MAX_UDP_PAYLOAD_SIZE;
  conn->cstat.max_tx_udp_payload_size = ngtcp2_conn_get_path_max_tx_udp_payload_size(conn);
  return true;
}

bool culvert_quic_restart_mtu_search(ngtcp2_conn *conn, size_t max_bytes) {
  ngtcp2_settings *settings = &conn->local.settings;
  const size_t allowed = settings->max_tx_udp_payload_size;
  if (!may_touch_mtu(conn) || conn->pmtud || settings->no_pmtud) {
    return false;
  }
  /* The search takes its upper end from the settings. */
  if (max_bytes < allowed) {
    settings->max_tx_udp_payload_size = max_bytes;
  }
  const int result = ngtcp2_conn_start_pmtud(conn);
  settings->max_tx_udp_payload_size = allowed;
  return result == 0 && conn->pmtud;
}
