"""Errors named for the fact. Each message carries the numbers; `remedy` says what to do."""

from typing import ClassVar


class BudSimError(Exception):
    """Base of every error a caller may see."""

    code: ClassVar[str] = "internal_error"

    def __init__(self, message: str, *, param: str | None = None, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.remedy = remedy

    def __str__(self) -> str:
        parted = "" if not self.remedy or self.message.endswith((".", "?", "!", ":")) else ";"
        return f"{self.message}{parted} {self.remedy}".strip()


class InvalidInput(BudSimError):
    """A value that no retry can mend: the message names the field, the value and the remedy."""

    code = "invalid_input"


class MessageTooLarge(InvalidInput):
    """A message over what its readers take."""

    code = "message_too_large"


class ModelNotFound(BudSimError):
    """No source knows the model."""

    code = "model_not_found"


class UnsupportedModel(BudSimError):
    """The model's config was read but its shape cannot be."""

    code = "unsupported_model"


class ClusterNotFound(BudSimError):
    """No cluster of that id is known."""

    code = "cluster_not_found"


class UnknownDevice(BudSimError):
    """A device neither the catalogue nor the sent figures describe."""

    code = "unknown_device"


class NoCompatibleEngine(BudSimError):
    """No engine runs this architecture, endpoint and device."""

    code = "no_compatible_engine"


class InvalidDeployment(BudSimError):
    """A layout the model, engine or topology does not allow."""

    code = "invalid_deployment"


class DoesNotFit(BudSimError):
    """Memory is short; the remedy names the smallest change that would fit."""

    code = "does_not_fit"


class SimulationTimedOut(BudSimError):
    """The deadline passed before any part finished."""

    code = "simulation_timed_out"


class WorkflowNotFound(BudSimError):
    """No workflow of that id is visible to the caller."""

    code = "workflow_not_found"


class ConfigurationNotFound(BudSimError):
    """No recommended configuration carries that config_id."""

    code = "configuration_not_found"


class Conflict(BudSimError):
    """The same identity came with another content."""

    code = "conflict"


class TooManyWorkflows(BudSimError):
    """As many workflows are open as may be."""

    code = "too_many_workflows"


class AccessDenied(BudSimError):
    """The token is missing or unknown."""

    code = "access_denied"


class Forbidden(BudSimError):
    """The token is not for this project or cluster."""

    code = "forbidden"


class Unavailable(BudSimError):
    """A dependency (PostgreSQL, Kafka, the hub) is away: hold, do not charge an attempt."""

    code = "unavailable"
