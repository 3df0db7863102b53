#!/usr/bin/env python3
"""A tunnel end on aioquic, for tests: what v2ray's QUIC does, by another implementation and steerable.

  client: takes TCP connections at --listen and carries each in a stream of one QUIC connection to --peer
  server: takes QUIC at --listen and carries each stream by TCP to --peer

Streams are raw, as spec/quic.md says; ALPN is v2ray's. Halves end one by one (FIN), a TCP reset becomes RESET_STREAM and the other
way round. With --security or --header every datagram wears v2ray's outer layer, whose header bytes are random: nobody may look at
them.

Prints one line per thing a test may wait for: "ready", "connected version=... alpn=... resumed=... retried=...",
"rebound PORT", "keys updated", "reset by peer", "terminated code=... reason=...", "half-open N".
Signals: SIGUSR1 moves the client to another local port (a NAT that forgot), SIGUSR2 begins a key update, SIGHUP makes the client
leave its connection and begin another, with the ticket and token of the first.
"""
import argparse
import asyncio
import hashlib
import os
import signal
import socket
import ssl
import sys

HEADER_BYTES = {"none": 0, "srtp": 4, "utp": 4, "wechat-video": 13, "dtls": 13, "wireguard": 4}
CHUNK = 64 * 1024


def say(text):
    print(text, flush=True)


def parse_address(text):
    host, port = text.rsplit(":", 1)
    return host.strip("[]"), int(port)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["client", "server"])
    parser.add_argument("--modules", required=True, help="folder of aioquic and what it needs")
    parser.add_argument("--listen", required=True, type=parse_address)
    parser.add_argument("--peer", required=True, type=parse_address)
    parser.add_argument("--security", default="none", choices=["none", "aes-128-gcm", "chacha20-poly1305"])
    parser.add_argument("--key-file", help="key of the outer layer; without it the empty key")
    parser.add_argument("--header", default="none", choices=sorted(HEADER_BYTES))
    parser.add_argument("--certificate-file")
    parser.add_argument("--private-key-file")
    parser.add_argument("--trust-file", help="client: verify by these roots; without it nobody is verified")
    parser.add_argument("--server-name", default="quic.internal.v2ray.com")
    parser.add_argument("--versions", default="1,2", help="QUIC versions, the preferred one first")
    parser.add_argument("--idle-timeout", type=float, default=30.0)
    parser.add_argument("--retry", action="store_true", help="server: have every client prove its address")
    parser.add_argument("--half-open", type=int, default=0,
                        help="client: begin so many handshakes from as many addresses and leave them there, before its own")
    return parser.parse_args()


ARGUMENTS = arguments()
sys.path.insert(0, ARGUMENTS.modules)

from aioquic.asyncio.protocol import QuicConnectionProtocol  # noqa: E402
from aioquic.asyncio.server import QuicServer  # noqa: E402
from aioquic.quic import events  # noqa: E402
from aioquic.quic.configuration import QuicConfiguration  # noqa: E402
from aioquic.quic.connection import QuicConnection, stream_is_client_initiated, stream_is_unidirectional  # noqa: E402
from aioquic.quic.packet import QuicProtocolVersion  # noqa: E402
from cryptography.exceptions import InvalidTag  # noqa: E402
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305  # noqa: E402


class Outer:
    """header || nonce(12) || AEAD(datagram), or header || datagram."""

    def __init__(self, options):
        self.header_bytes = HEADER_BYTES[options.header]
        key = b""
        if options.key_file:
            with open(options.key_file, "rb") as file:
                key = file.read().removesuffix(b"\n")
        outer_key = hashlib.sha256(key + b"v2ray-quic-salt").digest()
        self.aead = {
            "none": lambda: None,
            "aes-128-gcm": lambda: AESGCM(outer_key[:16]),
            "chacha20-poly1305": lambda: ChaCha20Poly1305(outer_key),
        }[options.security]()

    def wrap(self, data):
        head = os.urandom(self.header_bytes)
        if self.aead is None:
            return head + data
        nonce = os.urandom(12)
        return head + nonce + self.aead.encrypt(nonce, data, None)

    def unwrap(self, data):
        """None: not for us."""
        data = data[self.header_bytes:]
        if self.aead is None:
            return data or None
        try:
            return self.aead.decrypt(data[:12], data[12:], None)
        except (InvalidTag, ValueError):
            return None


class Wire(asyncio.DatagramProtocol):
    """A UDP socket below aioquic, with the outer layer; may be replaced by another while aioquic goes on."""

    def __init__(self, outer, upper):
        self.outer = outer
        self.upper = upper
        self.transport = None
        self.old = []

    async def open(self, local):
        family = socket.AF_INET6 if ":" in local[0] else socket.AF_INET
        udp = socket.socket(family, socket.SOCK_DGRAM)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        udp.bind(local)
        if self.transport is not None:
            self.old.append(self.transport)
        self.transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, sock=udp)
        while self.old:
            self.old.pop().close()
        return udp.getsockname()[1]

    def datagram_received(self, data, addr):
        data = self.outer.unwrap(data)
        if data is not None:
            self.upper.datagram_received(data, addr)

    # What aioquic wants of a transport.
    def sendto(self, data, addr):
        self.transport.sendto(self.outer.wrap(data), addr)

    def close(self):
        self.transport.close()

    def is_closing(self):
        return self.transport.is_closing()


class Tunnel(QuicConnectionProtocol):
    """One QUIC connection; `streams` are its tunnelled connections."""

    def __init__(self, quic, stream_handler=None):
        super().__init__(quic)
        self.is_client = quic.configuration.is_client
        self.streams = {}
        self.ended = False

    def datagram_received(self, data, addr):
        if self.is_client and any(data[-16:] == cid.stateless_reset_token for cid in self.peer_ids() if cid.stateless_reset_token):
            say("reset by peer")
            self.end_all()
            return
        super().datagram_received(data, addr)
        # A stream that opened with an empty frame is no event of aioquic's, but a server that speaks first waits for it.
        if not self.is_client:
            for stream_id in list(self._quic._streams):
                if stream_is_client_initiated(stream_id) and not stream_is_unidirectional(stream_id):
                    self.stream(stream_id)

    def peer_ids(self):
        return [self._quic._peer_cid] + list(self._quic._peer_cid_available)

    def stream(self, stream_id):
        if stream_id not in self.streams and not self.is_client:
            stream = Stream(self, stream_id)
            self.streams[stream_id] = stream
            asyncio.ensure_future(stream.dial())
        return self.streams.get(stream_id)

    def quic_event_received(self, event):
        if isinstance(event, events.HandshakeCompleted):
            say("connected version=%d alpn=%s resumed=%d retried=%d" % (
                2 if self._quic._version == QuicProtocolVersion.VERSION_2 else 1, event.alpn_protocol,
                event.session_resumed, self._quic._retry_count))
        elif isinstance(event, events.ConnectionTerminated):
            say("terminated code=%#x reason=%s" % (event.error_code, event.reason_phrase))
            self.end_all()
        elif isinstance(event, events.StreamDataReceived):
            stream = self.stream(event.stream_id)
            if stream is not None:
                stream.on_data(event.data, event.end_stream)
        elif isinstance(event, events.StreamReset):
            stream = self.stream(event.stream_id)
            if stream is not None:
                stream.abort()

    def end_all(self):
        self.ended = True
        for stream in list(self.streams.values()):
            stream.abort()


class Stream:
    """Bytes between a QUIC stream and a TCP connection."""

    def __init__(self, tunnel, stream_id):
        self.tunnel = tunnel
        self.id = stream_id
        self.writer = None
        self.early = []  # came before TCP was there
        self.aborted = False

    async def dial(self):
        try:
            reader, writer = await asyncio.open_connection(*ARGUMENTS.peer)
        except OSError:
            self.tunnel._quic.reset_stream(self.id, 1)
            self.tunnel.transmit()
            return
        await self.run(reader, writer)

    async def run(self, reader, writer):
        self.writer = writer
        early, self.early = self.early, []
        for data, is_last in early:
            self.on_data(data, is_last)
        if self.aborted:
            self.abort()
        try:
            while data := await reader.read(CHUNK):
                self.tunnel._quic.send_stream_data(self.id, data)
                self.tunnel.transmit()
                await self.wait_until_sent()
            self.tunnel._quic.send_stream_data(self.id, b"", end_stream=True)
            await self.insist_on_end()
        except OSError:
            if not self.tunnel.ended:
                self.tunnel._quic.reset_stream(self.id, 1)
        except AssertionError as refusal:  # the peer stopped this direction, or the connection is gone
            say("stream %d refused more: %s" % (self.id, refusal))
            return
        self.tunnel.transmit()

    async def wait_until_sent(self):
        """aioquic buffers without bound; so that TCP feels the path, wait until most of it went."""
        while True:
            stream = self.tunnel._quic._streams.get(self.id)
            if stream is None or self.tunnel.ended or len(stream.sender._buffer) < 4 * CHUNK:
                return
            await asyncio.sleep(0.002)

    async def insist_on_end(self):
        """aioquic 1.2 forgets an end without data that finds no room in a packet: says it again until it is acknowledged."""
        while not self.tunnel.ended:
            self.tunnel.transmit()
            await asyncio.sleep(0.2)
            stream = self.tunnel._quic._streams.get(self.id)
            if stream is None or stream.sender.is_finished or stream.sender._reset_error_code is not None:
                return
            if len(stream.sender._pending) == 0:
                stream.sender._pending_eof = True
                stream.sender.buffer_is_empty = False

    def on_data(self, data, is_last):
        if self.writer is None:
            self.early.append((data, is_last))
            return
        if self.writer.is_closing():
            return
        if data:
            self.writer.write(data)
        if is_last:
            try:
                self.writer.write_eof()
            except OSError:
                pass  # it ended by itself

    def abort(self):
        self.aborted = True
        if self.writer is not None:
            self.writer.transport.abort()


def configuration(is_client):
    numbers = {"1": QuicProtocolVersion.VERSION_1, "2": QuicProtocolVersion.VERSION_2}
    versions = [numbers[text] for text in ARGUMENTS.versions.split(",")]
    config = QuicConfiguration(
        is_client=is_client, alpn_protocols=["h2", "http/1.1"], idle_timeout=ARGUMENTS.idle_timeout, connection_id_length=12,
        supported_versions=versions, original_version=versions[0] if is_client else None, max_datagram_frame_size=65535)
    if is_client:
        config.server_name = ARGUMENTS.server_name
        config.verify_mode = ssl.CERT_REQUIRED if ARGUMENTS.trust_file else ssl.CERT_NONE
        if ARGUMENTS.trust_file:
            config.load_verify_locations(ARGUMENTS.trust_file)
    else:
        config.load_cert_chain(ARGUMENTS.certificate_file, ARGUMENTS.private_key_file)
    return config


class Client:
    def __init__(self):
        self.config = configuration(True)
        self.tunnel = None
        self.wire = None
        self.used = 0

    async def connect(self):
        def keep_ticket(ticket):
            self.config.session_ticket = ticket

        def keep_token(token):
            self.config.token = token

        quic = QuicConnection(configuration=self.config, session_ticket_handler=keep_ticket, token_handler=keep_token)
        self.tunnel = Tunnel(quic)
        self.wire = Wire(Outer(ARGUMENTS), self.tunnel)
        await self.wire.open(("::" if ":" in ARGUMENTS.peer[0] else "0.0.0.0", 0))
        self.tunnel.connection_made(self.wire)
        self.tunnel.connect(ARGUMENTS.peer)
        await self.tunnel.wait_connected()

    async def serve(self, reader, writer):
        if self.tunnel.ended:
            writer.transport.abort()
            return
        stream_id = self.tunnel._quic.get_next_available_stream_id()
        stream = Stream(self.tunnel, stream_id)
        self.tunnel.streams[stream_id] = stream
        self.tunnel._quic.send_stream_data(stream_id, b"")  # so that the next stream gets another number
        await stream.run(reader, writer)

    async def rebind(self):
        port = await self.wire.open(("::" if ":" in ARGUMENTS.peer[0] else "0.0.0.0", 0))
        self.tunnel._quic.send_ping(0)  # a NAT shows its new port with the next datagram
        self.tunnel.transmit()
        say("rebound %d" % port)

    def update_keys(self):
        self.tunnel.request_key_update()
        self.tunnel.transmit()
        say("keys updated")

    async def begin_again(self):
        old_tunnel, old_wire = self.tunnel, self.wire
        old_tunnel.close()
        await old_tunnel.wait_closed()
        old_wire.close()
        await self.connect()


def leave_half_open(count):
    """Handshakes of which only the first datagram is ever sent, each from a /24 of its own."""
    outer = Outer(ARGUMENTS)
    for number in range(count):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.%d.%d.1" % (1 + number // 250, 1 + number % 250), 0))
        quic = QuicConnection(configuration=configuration(True))
        quic.connect(ARGUMENTS.peer, now=0.0)
        for data, addr in quic.datagrams_to_send(now=0.0):
            udp.sendto(outer.wrap(data), addr)
        udp.close()
    say("half-open %d" % count)


async def run_client():
    if ARGUMENTS.half_open:
        leave_half_open(ARGUMENTS.half_open)
    client = Client()
    await client.connect()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, lambda: asyncio.ensure_future(client.rebind()))
    loop.add_signal_handler(signal.SIGUSR2, client.update_keys)
    loop.add_signal_handler(signal.SIGHUP, lambda: asyncio.ensure_future(client.begin_again()))
    server = await asyncio.start_server(client.serve, *ARGUMENTS.listen)
    say("ready")
    async with server:
        await server.serve_forever()


async def run_server():
    server = QuicServer(configuration=configuration(False), create_protocol=Tunnel, retry=ARGUMENTS.retry)
    wire = Wire(Outer(ARGUMENTS), server)
    await wire.open(ARGUMENTS.listen)
    server.connection_made(wire)
    say("ready")
    await asyncio.Event().wait()


asyncio.run(run_client() if ARGUMENTS.role == "client" else run_server())
