"""The figures, by the subject of what they measure."""

from figures.calls import image, passed, service, token
from figures.memory import connections
from figures.messages import callbacks

ALL = {
    "token": token,
    "pass": passed,
    "image": image,
    "service": service,
    "callbacks": callbacks,
    "connections": connections,
}
