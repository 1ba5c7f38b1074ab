"""The client of the Roadbed API. `Roadbed` is sync and `AsyncRoadbed` async; every operation is a method of both."""

from . import events as events
from . import problems as problems
from ._generated import Envelope as Envelope
from ._generated import ServerSentEvent as ServerSentEvent
from ._send import NULL as NULL
from .client import AsyncRoadbed as AsyncRoadbed
from .client import Roadbed as Roadbed
from .errors import APIConnectionError as APIConnectionError
from .errors import APIError as APIError
from .errors import APITimeoutError as APITimeoutError
from .errors import FieldError as FieldError
from .errors import NotModified as NotModified
from .errors import RoadbedError as RoadbedError
from .models import *
from .webhooks import WebhookVerificationError as WebhookVerificationError
from .webhooks import verify_webhook as verify_webhook
