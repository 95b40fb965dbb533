"""Standard Webhooks' own Python library verifies. Settings: secret."""

from receiver import Answer, Request, common, serve, settings
from standardwebhooks import Webhook


def answer(request: Request) -> Answer:
    payload = Webhook(settings["secret"]).verify(request.body, request.headers)
    return common(request) | {"payload": payload}, ""


serve(answer)
