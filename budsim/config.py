"""The one Settings class: every variable with its meaning, unit and bounds."""

import os
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from annotated_types import Ge, Gt, Le, Lt, MaxLen
from platformdirs import user_cache_path
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from budsim.core.engines.spec import EngineKind
from budsim.core.errors import InvalidInput
from budsim.core.hardware.spec import DeviceType
from budsim.core.predictors.protocol import Method
from budsim.services.connection import KafkaConnection

PREFIX = "BUDSIM_"
SHIPPED_MODELS = Path(__file__).resolve().parents[1] / "pretrained_models"  # beside the package: in a checkout, and where it is installed
_SECRET = ("PASSWORD", "TOKEN", "DATABASE_URL")  # never shown in an error


def _lld(name: str) -> AliasChoices:
    """Accept the variable under our prefix and under the LLD's name."""
    return AliasChoices(PREFIX + name, name)


class Settings(BaseSettings):
    """Read once, in the entry point, and passed down as values."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", populate_by_name=True, env_ignore_empty=True)

    kafka_bootstrap: str = Field("127.0.0.1:9092", min_length=3, description="Kafka brokers, host:port, comma-separated")
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="SASL mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
    )
    kafka_username: str | None = Field(None, description="SASL user")
    kafka_password: SecretStr | None = Field(None, description="SASL password")
    kafka_tls: bool = Field(False, description="Speak TLS with the system's certificate authorities")
    kafka_tls_ca: Path | None = Field(None, description="File of a certificate authority of one's own; turns TLS on")
    kafka_tls_certificate: Path | None = Field(None, description="File of the client's certificate chain; turns TLS on")
    kafka_tls_key: Path | None = Field(None, description="File of the client's private key")
    topic_prefix: str = Field(
        "budsim.", max_length=64, pattern=r"^[a-zA-Z0-9._-]*$", description="Prefix of every topic, table and consumer group"
    )
    partitions_by_key: int = Field(12, ge=1, le=1000, description="Partitions of evaluations, blacklist-updates and its changelog")
    partitions_searches: int = Field(12, ge=1, le=1000, description="Partitions of searches: the most search workers")
    partitions_workflows: int = Field(12, ge=1, le=1000, description="Partitions of requests, events and answers")
    replication_factor: int = Field(1, ge=1, le=10, description="Replicas of each topic; 3 in production")
    min_insync_replicas: int = Field(1, ge=1, le=10, description="In-sync replicas a write needs; 2 in production")
    database_url: str = Field(
        "postgresql+asyncpg://budsim@127.0.0.1:5432/budsim",
        validation_alias=_lld("DATABASE_URL"),
        description="PostgreSQL: postgresql://user:password@host:port/database",
    )
    data_folder: Path = Field(
        default_factory=lambda: user_cache_path("budsim"), description="Folder of embedded servers, logs and local tables"
    )
    table_store: Literal["rocksdb://", "memory://"] = Field(
        "rocksdb://", description="Faust table store: rocksdb:// (rocksdict) or memory://"
    )
    model_registry_dir: Path = Field(Path("/models"), validation_alias=_lld("MODEL_REGISTRY_DIR"), description="Folder of local models")
    pretrained_models_dir: Path = Field(
        SHIPPED_MODELS,
        validation_alias=AliasChoices("BUDSIM_PRETRAINED_MODELS_DIR", "BENCHMARK_PREDICTOR_MODELS_DIR"),
        description="Folder of the model set that answers: one's own, or the one that ships",
    )
    shadow_models: Path | None = Field(None, description="Folder of a second model set, to be tried beside the first")
    shadow_share: float = Field(
        1.0, ge=0, le=1, description="Share of the requests whose recommendations both sets predict, for budsim models compare"
    )
    ab_share: float = Field(0.0, ge=0, le=1, description="Share of the requests the second model set answers")
    model_sets_dir: Path | None = Field(None, description="Folder of further model sets, a sub-folder each, that a request may name")
    hub_enabled: bool = Field(True, description="Ask the Hugging Face hub for configs")
    hub_offline: bool = Field(
        False,
        validation_alias=AliasChoices("BUDSIM_HUB_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"),
        description="Use the catalogue, then what was downloaded from the hub before, and ask the hub for nothing",
    )
    hub_token: SecretStr | None = Field(None, validation_alias=AliasChoices("BUDSIM_HUB_TOKEN", "HF_TOKEN"), description="Hub token")
    hub_cache: str | None = Field(None, description="Folder of the hub's cache; its own default when unset")
    hub_timeout_s: float = Field(5.0, gt=0, le=120, description="Longest wait for the hub [s]")
    default_simulation_method: Method = Field(
        Method.REGRESSOR, validation_alias=_lld("DEFAULT_SIMULATION_METHOD"), description="Method when a request names none"
    )
    skip_master_node_for_cpu: bool = Field(
        True, validation_alias=_lld("SKIP_MASTER_NODE_FOR_CPU"), description="Leave CPUs of master nodes to the control plane"
    )
    vllm_image: str | None = Field(None, validation_alias=_lld("VLLM_IMAGE"), description="Image of vLLM, whatever the device")
    sglang_image: str | None = Field(None, validation_alias=_lld("SGLANG_IMAGE"), description="Image of SGLang")
    litellm_image: str | None = Field(None, validation_alias=_lld("LITELLM_IMAGE"), description="Image of LiteLLM")
    latentbud_image: str | None = Field(None, validation_alias=_lld("LATENTBUD_IMAGE"), description="Image of LatentBud")
    device_images: dict[str, str] = Field(default_factory=dict, description='Images by engine and device, JSON: {"vllm/rocm": "…"}')
    engine_versions: dict[str, str] = Field(
        default_factory=dict, description='Engine releases where the image\'s tag does not say, JSON: {"vllm": "0.15.1"}'
    )
    usd_per_hour: dict[str, Annotated[float, Ge(0)]] = Field(
        default_factory=dict, description='Price of a device-hour, JSON: {"H100-SXM-80GB": 2.5} [$/h]'
    )
    source_topics: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(), description="Topics a request may have its progress copied to, comma-separated"
    )
    deadline_s: float = Field(60.0, ge=5, le=600, description="Deadline of a request that names none [s]")
    cluster_wait_s: float = Field(10.0, ge=0, le=60, description="Longest wait for a cluster that may be on its way [s]")
    stale_topology_s: float = Field(900.0, ge=1, description="Age from which a topology is used with a warning [s]")
    blacklist_ttl_s: float = Field(
        30 * 86_400.0, ge=1, validation_alias=AliasChoices("BUDSIM_BLACKLIST_TTL"), description="Life of a blacklist entry [s]"
    )
    max_attempts: int = Field(3, ge=1, le=10, description="Attempts of each stage on a part")
    pool_size: int = Field(1, ge=1, le=64, description="Search processes of one eval worker")
    sweep_age_s: float = Field(10.0, ge=1, le=600, description="Age from which an unsent message is swept up [s]")
    max_value_bytes: int = Field(512 * 1024, ge=1024, le=2 * 1024 * 1024, description="Largest value of a message [bytes]")
    retry_attempts: int = Field(3, ge=1, le=10, description="Tries of one message before it is dead-lettered")
    retry_first_delay_s: float = Field(1.0, ge=0, le=60, description="Delay before the second try; doubled for each later one [s]")
    retry_attempt_s: float = Field(20.0, ge=1, le=50, description="Longest single try [s]")
    retry_total_s: float = Field(30.0, ge=1, le=50, description="Longest time of all tries, under the broker's rebalance timeout [s]")
    fuse_window: int = Field(100, ge=20, le=10_000, description="Latest messages the fuse looks at")
    fuse_share: float = Field(0.5, gt=0, le=1, description="Share of them that failed unexpectedly, above which a worker holds")
    fuse_cool_down_s: float = Field(60.0, ge=1, le=3600, description="Hold before the fuse lets one message through [s]")
    instance_id: str | None = Field(None, max_length=249, description="Static Kafka membership, unique per worker")
    health_port: int = Field(0, ge=0, le=65535, description="Port of a worker's /health, /ready and /metrics; 0 = none")
    host: str = Field("127.0.0.1", description="Address the web view and the health servers listen on")
    port: int = Field(8080, ge=0, le=65535, description="Port of the web view; 0 = any free one")
    admission_limit: int = Field(1000, ge=1, description="Open workflows above which POST /simulator/run answers 429")
    log_format: Literal["text", "json"] = Field("text", description="Form of a log line: text or json")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")

    @field_validator("source_topics", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return frozenset(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("device_images", "engine_versions")
    @classmethod
    def _of_an_engine(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            engine, slash, device = name.partition("/")
            if engine not in set(EngineKind) or (slash and device not in set(DeviceType)):
                raise ValueError(f"{name!r} is no engine/device; engines: {', '.join(EngineKind)}; devices: {', '.join(DeviceType)}")
        return value

    @field_validator("engine_versions")
    @classmethod
    def _of_a_release(cls, value: dict[str, str]) -> dict[str, str]:
        for name, version in value.items():
            if not re.match(r"\d+\.\d+", version):
                raise ValueError(f"{version!r} of {name} is no release: give its number, for example 0.11.2")
        return value

    @field_validator("database_url")
    @classmethod
    def _with_driver(cls, value: str) -> str:
        scheme, separator, rest = value.partition("://")
        if not separator or scheme not in ("postgresql+asyncpg", "postgresql", "postgres"):
            raise ValueError("must begin with postgresql://")
        return f"postgresql+asyncpg://{rest}"

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.min_insync_replicas > self.replication_factor:
            raise ValueError(
                f"BUDSIM_MIN_INSYNC_REPLICAS = {self.min_insync_replicas} is above BUDSIM_REPLICATION_FACTOR = {self.replication_factor}"
            )
        if self.kafka_sasl_mechanism and not (self.kafka_username and self.kafka_password):
            raise ValueError("BUDSIM_KAFKA_SASL_MECHANISM needs BUDSIM_KAFKA_USERNAME and BUDSIM_KAFKA_PASSWORD")
        if self.ab_share > 0 and self.shadow_models is None:
            raise ValueError(f"BUDSIM_AB_SHARE = {self.ab_share:g} needs BUDSIM_SHADOW_MODELS, the folder of the second model set")
        return self

    @property
    def kafka(self) -> KafkaConnection:
        """How to reach Kafka."""
        security: list[tuple[str, Any]] = []
        if self.kafka_sasl_mechanism:
            password = self.kafka_password.get_secret_value() if self.kafka_password else None
            security += [
                ("sasl_mechanism", self.kafka_sasl_mechanism),
                ("sasl_plain_username", self.kafka_username),
                ("sasl_plain_password", password),
            ]
        context = self._tls_context()
        if context:
            security.append(("ssl_context", context))
        protocol = ("SASL_" if self.kafka_sasl_mechanism else "") + ("SSL" if context else "PLAINTEXT")
        return KafkaConnection(bootstrap=self.kafka_bootstrap, security=(("security_protocol", protocol), *security))

    def _tls_context(self) -> ssl.SSLContext | None:
        files = [str(file) for file in (self.kafka_tls_ca, self.kafka_tls_certificate, self.kafka_tls_key) if file]
        if not (self.kafka_tls or files):
            return None
        try:
            context = ssl.create_default_context(cafile=self.kafka_tls_ca)
            if self.kafka_tls_certificate:
                context.load_cert_chain(self.kafka_tls_certificate, self.kafka_tls_key)
        except OSError as error:  # ssl.SSLError is one
            reason = f"The TLS files {', '.join(files)} cannot be used ({error})."
            raise InvalidInput(reason, param="kafka_tls", remedy="Check BUDSIM_KAFKA_TLS_*.") from error
        return context

    @property
    def images(self) -> dict[str, str]:
        """Images by «engine» and «engine/device»."""
        named = {"vllm": self.vllm_image, "sglang": self.sglang_image, "litellm": self.litellm_image, "latentbud": self.latentbud_image}
        return {name: image for name, image in named.items() if image} | self.device_images

    @property
    def eval_app_id(self) -> str:
        """Consumer group of the eval workers, and the name before their changelogs."""
        return f"{self.topic_prefix}eval"

    @property
    def flow_app_id(self) -> str:
        """Consumer group of the flow workers."""
        return f"{self.topic_prefix}flow"


def load_settings(**overrides: Any) -> Settings:
    """Return the settings of the environment.

    Raises:
        InvalidInput: A variable has a value it cannot take; the message names it, the value and what it may be.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise _refusal(error) from error
    except SettingsError as error:  # a value that should be JSON and is not
        name = str(error).split('"')[1]
        variable = _variable_set(name)
        raise InvalidInput(f"{variable} is not valid JSON.", param=variable, remedy=_remedy(name)) from error


def variables() -> frozenset[str]:
    """Return the name of every variable that is read."""
    return frozenset(variable for name in Settings.model_fields for variable in _variables(name))


def settings_markdown() -> str:
    """Return docs/how-to/settings.md."""
    lines = ["# Settings", "", "Environment variables, read once at the start; an empty one counts as unset. A second name is the one of"]
    lines += ["the original service. This page is generated: `budsim settings --write docs/how-to/settings.md`.", ""]
    lines += ["| variable | default | bounds | meaning |", "| --- | --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        names = ", ".join(f"`{variable}`" for variable in _variables(name))
        lines.append(f"| {names} | {_default(name, field)} | {' '.join(_bounds(field))} | {field.description} |")
    return "\n".join(lines) + "\n"


def _refusal(error: ValidationError) -> InvalidInput:
    first = error.errors(include_url=False)[0]
    reason = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:  # settings that do not agree; the reason names them
        return InvalidInput(f"{reason}.", remedy="See docs/how-to/settings.md.")
    name = _field_name(str(first["loc"][0]))
    variable = _variable_set(name)
    value = "" if variable.endswith(_SECRET) else f" = {first['input']!r}"
    return InvalidInput(f"{variable}{value}: {reason}.", param=variable, remedy=_remedy(name))


def _field_name(place: str) -> str:
    return next((name for name in Settings.model_fields if place in (name, *_variables(name))), place)


def _variables(name: str) -> list[str]:
    alias = Settings.model_fields[name].validation_alias
    return [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else [PREFIX + name.upper()]


def _variable_set(name: str) -> str:
    return next((variable for variable in _variables(name) if variable in os.environ), _variables(name)[0])


def _remedy(name: str) -> str:
    return f"It is: {Settings.model_fields[name].description}; see docs/how-to/settings.md."


def _bounds(field: FieldInfo) -> Iterator[str]:
    for bound in field.metadata:
        match bound:
            case Ge():
                yield f"≥ {bound.ge}"
            case Gt():
                yield f"> {bound.gt}"
            case Le():
                yield f"≤ {bound.le}"
            case Lt():
                yield f"< {bound.lt}"
            case MaxLen():
                yield f"at most {bound.max_length} characters"
            case _:  # a pattern or a length that the description tells
                pass


def _default(name: str, field: FieldInfo) -> str:
    elsewhere = {"data_folder": "`budsim` in the user's cache folder", "pretrained_models_dir": "`pretrained_models` beside the package"}
    if name in elsewhere:  # differs from one machine to another
        return elsewhere[name]
    value = field.get_default(call_default_factory=True, validated_data={})
    return "" if value is None or value in ({}, frozenset()) else f"`{value}`"
