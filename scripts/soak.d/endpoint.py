"""One end of traffic that checks itself, in a jail: UDP and one TCP connection, both ways at once.

Everything carries who it is for, who sent it, its number and a CRC. What it should say besides is known from these, so
that the receiver can compare octet for octet. The argument is a JSON object; counts come out as a JSON line each, twice a
second and at once when something is wrong. Ends with its standard input.
"""
import json
import random
import selectors
import socket
import struct
import sys
import time
import zlib

UDP_PORT, TCP_PORT = 5001, 5000
BLOCK = 16384
HEAD = struct.Struct('!8s8sQQI')
PATTERN = random.Random(20).randbytes(1 << 20)
#: Silence on UDP that is worth reporting, in ns.
GAP = 20_000_000
REPORT = 0.5

options = json.loads(sys.argv[1])
ME, PEER = bytes.fromhex(options['me']), bytes.fromhex(options['peer'])
TO = options['to']
RATE, TCP_RATE = options['datagrams'], options['octets']
chance = random.Random(options['seed'])


def content(sender, number, length):
    at = (zlib.crc32(sender) + number * 7919) % (len(PATTERN) - 65536)
    return PATTERN[at:at + length]


def unit(number, length):
    """A datagram or a block of the stream, in all `length` octets long."""
    rest = length - HEAD.size - 4
    data = HEAD.pack(PEER, ME, number, time.monotonic_ns(), length) + content(ME, number, rest)
    return data + struct.pack('!I', zlib.crc32(data))


def fault_of(data):
    """What is wrong with a datagram or block, or None, and its number."""
    if len(data) < HEAD.size + 4:
        return f'{len(data)} octets are too few', 0
    to, sender, number, _, length = HEAD.unpack_from(data)
    whom = f'for {to.hex()} from {sender.hex()} number {number} length {length}'
    if zlib.crc32(data[:-4]) != struct.unpack('!I', data[-4:])[0]:
        return f'CRC is wrong: {whom}, {len(data)} octets', number
    if to != ME or sender != PEER:
        return f'misdelivered: {whom}', number
    if length != len(data) or data[HEAD.size:-4] != content(sender, number, length - HEAD.size - 4):
        return f'content is wrong: {whom}', number
    return None, number


class Endpoint:
    def __init__(self):
        self.counts = dict(sent=0, received=0, octets=0, duplicates=0, reordered=0, tcpSent=0, tcpReceived=0)
        self.faults = []
        self.gaps = []
        self.tcp = 'none'
        self.last = time.monotonic_ns()
        self.seen, self.highest = set(), -1
        self.selector = selectors.DefaultSelector()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.udp.bind(('', UDP_PORT))
        self.udp.setblocking(False)
        self.selector.register(self.udp, selectors.EVENT_READ, self.receive)
        self.selector.register(sys.stdin.fileno(), selectors.EVENT_READ, self.end)
        self.stream = None
        self.pending, self.begun, self.incoming, self.expected = b'', 0, bytearray(), 0
        self.owed = 0.0
        if options['listen']:
            self.listener = socket.create_server(('', TCP_PORT))
            self.listener.setblocking(False)
            self.selector.register(self.listener, selectors.EVENT_READ, self.accept)

    def fault(self, what):
        self.faults.append(what)
        self.report()

    def report(self):
        line = dict(self.counts, tcp=self.tcp, gaps=self.gaps, faults=self.faults, last=self.last)
        print(json.dumps(line), flush=True)
        self.gaps, self.faults = [], []

    def end(self):
        self.report()
        sys.exit()

    # UDP

    def send(self):
        size = chance.choices((64, 200, 600, 1400, 1472, 4000, 20000), (20, 20, 20, 20, 10, 3, 1))[0]
        number = self.counts['sent']
        self.counts['sent'] += 1
        try:
            self.udp.sendto(unit(number, size), (TO, UDP_PORT))
        except OSError:
            pass  # lost; no route for now, say

    def receive(self):
        for _ in range(64):
            try:
                data = self.udp.recv(65536)
            except OSError:
                return
            now = time.monotonic_ns()
            if now - self.last > GAP:
                self.gaps.append((self.last, now))
            self.last = now
            self.counts['received'] += 1
            self.counts['octets'] += len(data)
            wrong, number = fault_of(data)
            if wrong:
                self.fault(f'UDP: {wrong}')
                continue
            if number in self.seen:
                self.counts['duplicates'] += 1
                self.fault(f'UDP: number {number} came twice')
            if number < self.highest:
                self.counts['reordered'] += 1
            self.highest = max(self.highest, number)
            self.seen.add(number)
            if len(self.seen) > 20000:
                self.seen = {old for old in self.seen if old > self.highest - 10000}

    # TCP

    def accept(self):
        try:
            stream, _ = self.listener.accept()
        except OSError:
            return
        if self.stream is not None:
            self.fault('TCP: a second connection')
            stream.close()
        else:
            self.open(stream)

    def connect(self):
        stream = socket.socket()
        stream.settimeout(0.3)
        try:
            stream.connect((TO, TCP_PORT))
        except OSError:
            stream.close()
            return
        self.open(stream)

    def open(self, stream):
        stream.setblocking(False)
        self.stream = stream
        self.tcp = 'open'
        self.selector.register(stream, selectors.EVENT_READ, self.read)

    def close(self, why):
        self.tcp = why
        self.selector.unregister(self.stream)
        self.stream.close()
        self.report()

    def read(self):
        try:
            data = self.stream.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError as error:
            self.close(f'broken: {error}')
            return
        if not data:
            self.close('ended')
            return
        self.counts['tcpReceived'] += len(data)
        self.incoming += data
        while len(self.incoming) >= BLOCK:
            block, self.incoming = bytes(self.incoming[:BLOCK]), self.incoming[BLOCK:]
            wrong, number = fault_of(block)
            if wrong is None and number != self.expected:
                wrong = f'block {number} instead of {self.expected}'
            if wrong:
                self.fault(f'TCP: {wrong}')
                self.close('wrong')
                return
            self.expected += 1

    def write(self):
        while self.owed > 0:
            if not self.pending:
                blocks = range(self.begun, self.begun + 8)
                self.pending = b''.join(unit(number, BLOCK) for number in blocks)
                self.begun += 8
            try:
                count = self.stream.send(self.pending)
            except BlockingIOError:
                self.owed = 0
                return
            except OSError as error:
                self.close(f'broken: {error}')
                return
            self.pending = self.pending[count:]
            self.counts['tcpSent'] += count
            self.owed -= count

    def run(self):
        start = last = next_report = next_connect = time.monotonic()
        sent = 0
        while True:
            for key, _ in self.selector.select(1 / RATE):
                key.data()
            now = time.monotonic()
            # As many as are due; not those of a time when we could not run.
            due = int((now - start) * RATE)
            sent = max(sent, due - 20)
            while sent < due:
                self.send()
                sent += 1
            if self.tcp == 'open':
                self.owed = min(self.owed + (now - last) * TCP_RATE, TCP_RATE / 10)
                self.write()
            elif self.tcp == 'none' and not options['listen'] and now > next_connect:
                self.connect()
                next_connect = time.monotonic() + 0.2
            last = now
            if now > next_report:
                self.report()
                next_report = now + REPORT


Endpoint().run()
