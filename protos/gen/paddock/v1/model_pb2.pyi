from paddock.v1 import generate_pb2 as _generate_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ModelState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_STATE_UNSPECIFIED: _ClassVar[ModelState]
    MODEL_STATE_LOADING: _ClassVar[ModelState]
    MODEL_STATE_READY: _ClassVar[ModelState]
    MODEL_STATE_DRAINING: _ClassVar[ModelState]
    MODEL_STATE_FAILED: _ClassVar[ModelState]
MODEL_STATE_UNSPECIFIED: ModelState
MODEL_STATE_LOADING: ModelState
MODEL_STATE_READY: ModelState
MODEL_STATE_DRAINING: ModelState
MODEL_STATE_FAILED: ModelState

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models", "server_version")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    SERVER_VERSION_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    server_version: str
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ..., server_version: _Optional[str] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class GetModelResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: Model
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "aliases", "state", "context_length", "vocab_size", "stop_token_ids", "backend", "support", "limits", "load", "defaults")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    VOCAB_SIZE_FIELD_NUMBER: _ClassVar[int]
    STOP_TOKEN_IDS_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    SUPPORT_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    LOAD_FIELD_NUMBER: _ClassVar[int]
    DEFAULTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    aliases: _containers.RepeatedScalarFieldContainer[str]
    state: ModelState
    context_length: int
    vocab_size: int
    stop_token_ids: _containers.RepeatedScalarFieldContainer[int]
    backend: BackendInfo
    support: Support
    limits: Limits
    load: Load
    defaults: _generate_pb2.EffectiveParameters
    def __init__(self, name: _Optional[str] = ..., aliases: _Optional[_Iterable[str]] = ..., state: _Optional[_Union[ModelState, str]] = ..., context_length: _Optional[int] = ..., vocab_size: _Optional[int] = ..., stop_token_ids: _Optional[_Iterable[int]] = ..., backend: _Optional[_Union[BackendInfo, _Mapping]] = ..., support: _Optional[_Union[Support, _Mapping]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., load: _Optional[_Union[Load, _Mapping]] = ..., defaults: _Optional[_Union[_generate_pb2.EffectiveParameters, _Mapping]] = ...) -> None: ...

class BackendInfo(_message.Message):
    __slots__ = ("name", "device", "dtype", "choice_reason")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    CHOICE_REASON_FIELD_NUMBER: _ClassVar[int]
    name: str
    device: str
    dtype: str
    choice_reason: str
    def __init__(self, name: _Optional[str] = ..., device: _Optional[str] = ..., dtype: _Optional[str] = ..., choice_reason: _Optional[str] = ...) -> None: ...

class Support(_message.Message):
    __slots__ = ("supports_generate", "supports_chat", "supports_tools", "supports_builtin_tools", "supports_tool_choice", "supports_response_format", "supports_guards", "supports_classify", "supports_continuation", "supports_logprobs", "supports_prompt_logprobs", "supports_logit_bias", "supports_min_tokens", "supports_top_k", "supports_top_p", "supports_min_p", "supports_repetition_penalty", "supports_presence_penalty", "supports_frequency_penalty", "supports_seed")
    SUPPORTS_GENERATE_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_CHAT_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_TOOLS_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_BUILTIN_TOOLS_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_TOOL_CHOICE_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_RESPONSE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_GUARDS_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_CLASSIFY_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_CONTINUATION_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_PROMPT_LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_LOGIT_BIAS_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_MIN_TOKENS_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_TOP_K_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_TOP_P_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_MIN_P_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_REPETITION_PENALTY_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_PRESENCE_PENALTY_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_FREQUENCY_PENALTY_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_SEED_FIELD_NUMBER: _ClassVar[int]
    supports_generate: bool
    supports_chat: bool
    supports_tools: bool
    supports_builtin_tools: bool
    supports_tool_choice: bool
    supports_response_format: bool
    supports_guards: bool
    supports_classify: bool
    supports_continuation: bool
    supports_logprobs: bool
    supports_prompt_logprobs: bool
    supports_logit_bias: bool
    supports_min_tokens: bool
    supports_top_k: bool
    supports_top_p: bool
    supports_min_p: bool
    supports_repetition_penalty: bool
    supports_presence_penalty: bool
    supports_frequency_penalty: bool
    supports_seed: bool
    def __init__(self, supports_generate: bool = ..., supports_chat: bool = ..., supports_tools: bool = ..., supports_builtin_tools: bool = ..., supports_tool_choice: bool = ..., supports_response_format: bool = ..., supports_guards: bool = ..., supports_classify: bool = ..., supports_continuation: bool = ..., supports_logprobs: bool = ..., supports_prompt_logprobs: bool = ..., supports_logit_bias: bool = ..., supports_min_tokens: bool = ..., supports_top_k: bool = ..., supports_top_p: bool = ..., supports_min_p: bool = ..., supports_repetition_penalty: bool = ..., supports_presence_penalty: bool = ..., supports_frequency_penalty: bool = ..., supports_seed: bool = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("max_concurrency", "max_queue", "max_logprobs")
    MAX_CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    MAX_QUEUE_FIELD_NUMBER: _ClassVar[int]
    MAX_LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    max_concurrency: int
    max_queue: int
    max_logprobs: int
    def __init__(self, max_concurrency: _Optional[int] = ..., max_queue: _Optional[int] = ..., max_logprobs: _Optional[int] = ...) -> None: ...

class Load(_message.Message):
    __slots__ = ("running", "waiting", "cache_usage")
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    CACHE_USAGE_FIELD_NUMBER: _ClassVar[int]
    running: int
    waiting: int
    cache_usage: float
    def __init__(self, running: _Optional[int] = ..., waiting: _Optional[int] = ..., cache_usage: _Optional[float] = ...) -> None: ...
