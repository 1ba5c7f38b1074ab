"""Every environment variable that Roadbed reads, with its unit, its default and why it is there."""

import base64
import binascii
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Network = IPv4Network | IPv6Network


class Settings(BaseSettings):
    """Read from `ROADBED_…` variables. A bad value stops the start with a sentence that names the variable."""

    model_config = SettingsConfigDict(env_prefix="ROADBED_", extra="ignore", frozen=True)

    database_url: str = Field("postgresql://localhost/roadbed", description="Postgres 18 or later, as the owner")
    redis_url: str = Field("redis://localhost:6379/0", description="Redis or Valkey, for arq: no state of record")
    host: str = Field("127.0.0.1", description="address that the API listens on")
    port: int = Field(8000, ge=1, le=65535, description="port that the API listens on")
    public_url: str | None = Field(None, description="how clients reach the API; in links and problem types")
    data_dir: Path = Field(Path(".roadbed"), description="data of the embedded run")
    embedded: bool = Field(False, description="true when `./run` started the servers itself")
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    pepper: SecretStr = Field(SecretStr(""), description="base64 of 32 bytes or more; keys are HMACs under it")
    sealing_keys: SecretStr = Field(
        SecretStr(""), description="`id:base64 of 32 bytes`, comma separated; the last seals"
    )

    database_pool: int = Field(10, ge=1, le=200, description="Postgres connections for each process")
    statement_timeout_ms: int = Field(
        10_000, ge=100, description="no statement of a request runs longer; a ranking has 60 s"
    )
    lock_timeout_ms: int = Field(5_000, ge=100, description="no statement of a request waits longer for a lock")
    bell: Literal["notify", "redis"] = Field("notify", description="what wakes the worker; `redis` behind a pooler")

    rate_per_s: int = Field(100, ge=1, description="requests a second of one key")
    rate_burst: int = Field(200, ge=1, description="requests of one key at once, after a pause")
    workspace_rate_per_s: int = Field(500, ge=1, description="requests a second of one workspace, all keys")
    open_rate_per_s: int = Field(20, ge=1, description="requests a second of one address without a key")
    free_calls: int = Field(10_000, ge=1, description="calls a month of the free plan")
    growth_calls: int = Field(1_000_000, ge=1, description="calls a month of the growth plan")

    github_scanning_keys: str = Field(
        "",
        max_length=20_000,
        description="GitHub's public keys for secret scanning, as `api.github.com/meta/public_keys/secret_scanning` "
        "answers them; empty refuses its posts",
    )
    body_limit_bytes: int = Field(1_048_576, ge=1024, description="largest request body")
    body_timeout_s: float = Field(10.0, gt=0, description="a request must have arrived whole by then")
    key_cache_s: float = Field(
        0.5, ge=0, le=0.9, description="how long a process trusts a key it has looked up; a revocation holds within it"
    )
    idempotency_hours: int = Field(24, ge=1, description="how long a reply is kept for its idempotency key")

    target_allow: Annotated[tuple[Network, ...], NoDecode] = Field(
        (), description="private CIDRs that webhooks may reach"
    )
    target_http: bool = Field(False, description="true lets endpoints be plain http")
    delivery_timeout_s: float = Field(15.0, ge=0.1, le=30, description="total time of one attempt")
    delivery_lease_s: float = Field(20.0, ge=1, description="a claim without a result is due again after this")
    delivery_batch: int = Field(200, ge=1, le=1000, description="deliveries claimed at once")
    delivery_concurrency: int = Field(400, ge=1, le=2000, description="attempts under way at once in one worker")
    stream_s: float = Field(300.0, ge=1, le=3600, description="an event stream ends after this; clients connect again")
    stream_heartbeat_s: float = Field(15.0, ge=0.1, le=60, description="an idle stream says so this often")
    log_days: int = Field(30, ge=1, le=3650, description="how long events, deliveries and attempts are kept")
    worker_metrics_port: int = Field(0, ge=0, le=65535, description="where a worker tells Prometheus; 0 is nowhere")
    sweep_s: float = Field(5.0, gt=0, description="the worker looks at least this often, bell or no bell")

    @field_validator("target_allow", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
        return value

    @field_validator("pepper")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        try:
            decoded = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("must be base64") from None
        if text and len(decoded) < 32:
            raise ValueError("must hold 32 bytes or more")
        return value

    @cached_property
    def pepper_bytes(self) -> bytes:
        """The pepper, decoded. Raises ValueError when it is not set: no key is ever stored under an empty one."""
        decoded = base64.b64decode(self.pepper.get_secret_value())
        if not decoded:
            raise ValueError("ROADBED_PEPPER is not set: give it base64 of 32 random bytes (`openssl rand -base64 32`)")
        return decoded

    @cached_property
    def base_url(self) -> str:
        """How clients reach the API, with no slash at the end."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")
