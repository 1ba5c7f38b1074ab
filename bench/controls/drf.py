"""How it is usually done: Django REST Framework under gunicorn, hand-written in one file.

    python -m bench.controls.drf tables              makes the tables of DRF_DATABASE_URL and one key, prints its secret
    gunicorn --workers 1 bench.controls.drf:service

It is written with care: persistent connections, psycopg's C code, no debugging, no middleware, sessions or templates,
no browsable API, one query for a list and one for the key, an index that serves the order. A key is looked up by its
digest for each request, as its guides and packages do, and every query is of the key's workspace alone.
"""

import hashlib
import json
import os
import secrets
import sys
import uuid
from typing import Any
from urllib.parse import parse_qs, urlsplit

import django
from django.conf import settings

_URL = urlsplit(os.environ["DRF_DATABASE_URL"])

settings.configure(
    DEBUG=False,
    SECRET_KEY=secrets.token_hex(),
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[],
    INSTALLED_APPS=["rest_framework"],
    USE_TZ=True,
    TIME_ZONE="UTC",
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": _URL.path.lstrip("/"),
            "USER": _URL.username,
            "HOST": parse_qs(_URL.query)["host"][0],
            "CONN_MAX_AGE": None,
            "OPTIONS": {"options": "-c jit=off"},
        }
    },
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
        "UNAUTHENTICATED_USER": None,
    },
)
django.setup()

from django.contrib.postgres.fields import ArrayField  # noqa: E402 - Django must be set up before its models
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, models  # noqa: E402
from django.urls import include, path  # noqa: E402
from rest_framework import routers, serializers, viewsets  # noqa: E402
from rest_framework.authentication import BaseAuthentication, get_authorization_header  # noqa: E402
from rest_framework.exceptions import AuthenticationFailed  # noqa: E402
from rest_framework.pagination import CursorPagination  # noqa: E402

STATUSES = ("idea", "candidate", "planned", "in_progress", "shipped", "dropped")
BUCKETS = ("product", "technical", "innovation")


class Workspace(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)

    is_authenticated = True

    class Meta:
        app_label = "bench"


class Key(models.Model):
    digest = models.CharField(max_length=64, unique=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE)

    class Meta:
        app_label = "bench"


class Feature(models.Model):
    """The product's columns."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE)
    title = models.CharField(max_length=300)
    description = models.TextField(null=True, blank=True)
    status = models.CharField(max_length=16, default="candidate", choices=[(one, one) for one in STATUSES])
    bucket = models.CharField(max_length=16, default="product", choices=[(one, one) for one in BUCKETS])
    labels = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    external_id = models.CharField(max_length=255, null=True, blank=True)
    source = models.CharField(max_length=64, null=True, blank=True)
    depends_on = ArrayField(models.UUIDField(), default=list, blank=True)
    version = models.IntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        app_label = "bench"
        indexes = (
            models.Index(fields=["workspace", "-created_at", "-id"], name="features_newest"),
            models.Index(fields=["workspace", "source", "external_id"], name="features_external"),
        )


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer …`, looked up for each request."""

    def authenticate(self, request: Any) -> Any:
        scheme, _, secret = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        digest = hashlib.sha256(secret.strip()).hexdigest()
        key = Key.objects.select_related("workspace").filter(digest=digest).first()
        if key is None:
            raise AuthenticationFailed("The key is not known.")
        return key.workspace, key

    def authenticate_header(self, request: Any) -> str:
        return "Bearer"


class Pages(CursorPagination):
    ordering = ("-created_at", "-id")
    page_size = 20
    page_size_query_param = "limit"
    max_page_size = 100


class FeatureSerializer(serializers.ModelSerializer):
    class Meta:
        model = Feature
        exclude = ("workspace",)
        read_only_fields = ("id", "version", "created_at", "updated_at")


class Features(viewsets.ModelViewSet):
    serializer_class = FeatureSerializer
    authentication_classes = (KeyAuthentication,)
    pagination_class = Pages

    def get_queryset(self) -> Any:
        return Feature.objects.filter(workspace=self.request.user)

    def perform_create(self, serializer: Any) -> None:
        serializer.save(workspace=self.request.user)


_router = routers.SimpleRouter(trailing_slash=False)
_router.register("features", Features, basename="feature")
urlpatterns = [path("", include(_router.urls))]
service = get_wsgi_application()


def make_tables() -> dict[str, str]:
    """The tables, a workspace and its key."""
    with connection.schema_editor() as editor:
        for model in (Workspace, Key, Feature):
            editor.create_model(model)
    secret = secrets.token_urlsafe(30)
    workspace = Workspace.objects.create()
    Key.objects.create(digest=hashlib.sha256(secret.encode()).hexdigest(), workspace=workspace)
    return {"secret": secret, "workspace_id": str(workspace.pk)}


if __name__ == "__main__" and sys.argv[1:] == ["tables"]:
    print(json.dumps(make_tables()))
