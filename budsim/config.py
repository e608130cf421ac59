"""The one Settings class: every variable with its meaning, unit and bounds."""

import ssl
from pathlib import Path
from typing import Annotated, Any

from platformdirs import user_cache_path
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from budsim.core.errors import InvalidInput
from budsim.core.predictors.protocol import Method
from budsim.services.connection import KafkaConnection

PREFIX = "BUDSIM_"


def _lld(name: str) -> AliasChoices:
    """Accept the variable under our prefix and under the LLD's name."""
    return AliasChoices(PREFIX + name, name)


class Settings(BaseSettings):
    """Read once, in the entry point, and passed down as values."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", populate_by_name=True)

    kafka_bootstrap: str = Field("127.0.0.1:9092", description="Kafka brokers, host:port, comma-separated")
    kafka_sasl_mechanism: str | None = Field(None, description="SASL mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
    kafka_username: str | None = Field(None, description="SASL user")
    kafka_password: SecretStr | None = Field(None, description="SASL password")
    kafka_tls_ca: Path | None = Field(None, description="CA file; turns TLS on")
    topic_prefix: str = Field("budsim.", max_length=64, description="Prefix of every topic, table and consumer group")
    partitions_by_key: int = Field(12, ge=1, le=1000, description="Partitions of evaluations, blacklist-updates and its changelog")
    partitions_searches: int = Field(12, ge=1, le=1000, description="Partitions of searches: the most search workers")
    partitions_workflows: int = Field(12, ge=1, le=1000, description="Partitions of requests, events and answers")
    replication_factor: int = Field(1, ge=1, le=10, description="Replicas of each topic; 3 in production")
    min_insync_replicas: int = Field(1, ge=1, le=10, description="In-sync replicas a write needs; 2 in production")
    database_url: str = Field(
        "postgresql+asyncpg://postgres@127.0.0.1:5432/postgres",
        validation_alias=_lld("DATABASE_URL"),
        description="PostgreSQL, postgresql+asyncpg://user:password@host:port/database",
    )
    data_folder: Path = Field(user_cache_path("budsim"), description="Folder of embedded servers and local stores")
    table_store: str = Field("rocksdb://", description="Faust table store: rocksdb:// (rocksdict) or memory://")
    model_registry_dir: Path = Field(Path("/models"), validation_alias=_lld("MODEL_REGISTRY_DIR"), description="Folder of local models")
    pretrained_models_dir: Path = Field(
        Path("pretrained_models"),
        validation_alias=AliasChoices("BUDSIM_PRETRAINED_MODELS_DIR", "BENCHMARK_PREDICTOR_MODELS_DIR"),
        description="Folder of trained regressors",
    )
    hub_enabled: bool = Field(True, description="Ask the Hugging Face hub for configs")
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
    usd_per_hour: dict[str, float] = Field(default_factory=dict, description='Price of a device-hour, JSON: {"H100-SXM-80GB": 2.5} [$/h]')
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
    instance_id: str | None = Field(None, max_length=249, description="Static Kafka membership, unique per worker")
    health_port: int = Field(0, ge=0, le=65535, description="Port of a worker's /health, /ready and /metrics; 0 = none")
    host: str = Field("127.0.0.1", description="Address the web view and the health servers listen on")
    port: int = Field(8080, ge=0, le=65535, description="Port of the web view; 0 = any free one")
    admission_limit: int = Field(1000, ge=1, description="Open workflows above which POST /simulator/run answers 429")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")

    @field_validator("source_topics", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return frozenset(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

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
        if self.kafka_tls_ca:
            security.append(("ssl_context", ssl.create_default_context(cafile=str(self.kafka_tls_ca))))
        protocol = ("SASL_" if self.kafka_sasl_mechanism else "") + ("SSL" if self.kafka_tls_ca else "PLAINTEXT")
        return KafkaConnection(bootstrap=self.kafka_bootstrap, security=(("security_protocol", protocol), *security))

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
        InvalidInput: A variable has a value it cannot take; the message names it.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        variable = name if name.isupper() else PREFIX + name.upper()
        raise InvalidInput(
            f"{variable} = {first['input']!r}: {first['msg']}", param=variable, remedy="see docs/how-to/settings.md"
        ) from error


def settings_markdown() -> str:
    """Return docs/how-to/settings.md."""
    lines = ["# Settings", "", "Environment variables, read once at the start. Generated by `budsim settings`.", ""]
    lines += ["| variable | default | meaning |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        names = [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else [PREFIX + name.upper()]
        default = (
            "user cache folder/budsim" if name == "data_folder" else _shown(field.get_default(call_default_factory=True, validated_data={}))
        )
        lines.append(f"| {', '.join(f'`{item}`' for item in names)} | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


def _shown(value: object) -> str:
    return "" if value is None or value in ({}, frozenset()) else f"`{value}`"
