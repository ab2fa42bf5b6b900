"""One end of the traffic that the tests look at.

Serves TCP on port 5000 and UDP on port 5001 of all addresses. What else to do comes on standard input, one JSON object
a line, and is answered by one line each. Whoever sends and whoever receives hash what they see, each by itself.
"""
import hashlib
import json
import os
import queue
import socket
import struct
import sys
import threading

TCP_PORT, UDP_PORT = 5000, 5001
SOL_UDP, UDP_SEGMENT = 17, 103
CHUNK = 1 << 20
PATIENCE = 5
served = queue.Queue()


class Hashes:
    def __init__(self):
        self.out, self.into, self.octets, self.reads = hashlib.sha256(), hashlib.sha256(), 0, 0

    def sent(self, data):
        self.out.update(data)
        return data

    def received(self, data):
        self.into.update(data)
        self.octets += len(data)
        self.reads += 1

    def result(self):
        return {'sent': self.out.hexdigest(), 'received': self.into.hexdigest(), 'octets': self.octets, 'reads': self.reads}


def both_ways(stream, size):
    """Sends `size` random bytes, and at the same time receives until the other side has done so, too."""
    hashes = Hashes()

    def send():
        for at in range(0, size, CHUNK):
            stream.sendall(hashes.sent(os.urandom(min(CHUNK, size - at))))
        stream.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    while data := stream.recv(CHUNK):
        hashes.received(data)
    sender.join()
    return hashes.result()


def serve_tcp():
    listener = socket.create_server(('', TCP_PORT), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        stream = listener.accept()[0]
        with stream:
            size = struct.unpack('!Q', stream.recv(8, socket.MSG_WAITALL))[0]
            served.put(both_ways(stream, size))


def serve_udp():
    """Answers each datagram by one of equal size; an empty one ends the conversation."""
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(('', UDP_PORT))
    hashes = Hashes()
    while True:
        data, client = server.recvfrom(65536)
        if not data:
            served.put(hashes.result())
            hashes = Hashes()
            continue
        hashes.received(data)
        server.sendto(hashes.sent(os.urandom(len(data))), client)


def tcp(to, size):
    with socket.create_connection((to, TCP_PORT), PATIENCE) as stream:
        stream.settimeout(4 * PATIENCE)
        stream.sendall(struct.pack('!Q', size))
        return both_ways(stream, size)


def udp(to, sizes, segment=None):
    """Sends datagrams one after the other; with `segment` the kernel cuts each send into datagrams of that size."""
    family = socket.getaddrinfo(to, UDP_PORT)[0][0]
    hashes = Hashes()
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.connect((to, UDP_PORT))
        client.settimeout(PATIENCE)
        if segment:
            client.setsockopt(SOL_UDP, UDP_SEGMENT, segment)
        for size in sizes:
            client.send(hashes.sent(os.urandom(size)))
            for _ in range(-(-size // segment) if segment else 1):
                hashes.received(client.recv(65536))
        client.send(b'')
    return hashes.result()


def counters():
    """What the network stack counted: /proc/net/snmp and snmp6."""
    counts = {}
    with open('/proc/thread-self/net/snmp') as file:
        lines = [line.split() for line in file]
    for names, values in zip(lines[::2], lines[1::2]):
        counts.update((names[0][:-1] + name, int(value)) for name, value in zip(names[1:], values[1:]))
    with open('/proc/thread-self/net/snmp6') as file:
        counts.update((name, int(value)) for name, value in map(str.split, file))
    return counts


for service in serve_tcp, serve_udp:
    threading.Thread(target=service, daemon=True).start()
actions = {'tcp': tcp, 'udp': udp, 'counters': counters, 'served': lambda: served.get(timeout=PATIENCE)}
for line in sys.stdin:
    words = json.loads(line)
    try:
        answer = actions[words.pop('do')](**words)
    except Exception as error:
        answer = {'error': repr(error)}
    print(json.dumps(answer), flush=True)
