"""The figures, by the subject of what they measure."""

from figures.calls import image, passed, service, token
from figures.handshakes import tls
from figures.memory import connections
from figures.messages import callbacks, decode, delivery
from figures.paced import added, cores, log
from figures.postgres import postgres
from figures.queues import backlog, dead, order
from figures.sizes import growth

ALL = {
    "token": token,
    "pass": passed,
    "image": image,
    "service": service,
    "added": added,
    "tls": tls,
    "decode": decode,
    "callbacks": callbacks,
    "delivery": delivery,
    "order": order,
    "dead": dead,
    "backlog": backlog,
    "postgres": postgres,
    "connections": connections,
    "cores": cores,
    "growth": growth,
    "log": log,
}
