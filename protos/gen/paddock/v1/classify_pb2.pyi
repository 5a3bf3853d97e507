from paddock.v1 import chat_pb2 as _chat_pb2
from paddock.v1 import generate_pb2 as _generate_pb2
from paddock.v1 import guard_pb2 as _guard_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ClassifyRequest(_message.Message):
    __slots__ = ("model", "inputs", "excluded_categories", "added_categories", "temperature", "normalize_spacing")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    EXCLUDED_CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    ADDED_CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    NORMALIZE_SPACING_FIELD_NUMBER: _ClassVar[int]
    model: str
    inputs: _containers.RepeatedCompositeFieldContainer[ClassifyInput]
    excluded_categories: _containers.RepeatedScalarFieldContainer[str]
    added_categories: _containers.RepeatedCompositeFieldContainer[_guard_pb2.HazardCategory]
    temperature: float
    normalize_spacing: bool
    def __init__(self, model: _Optional[str] = ..., inputs: _Optional[_Iterable[_Union[ClassifyInput, _Mapping]]] = ..., excluded_categories: _Optional[_Iterable[str]] = ..., added_categories: _Optional[_Iterable[_Union[_guard_pb2.HazardCategory, _Mapping]]] = ..., temperature: _Optional[float] = ..., normalize_spacing: bool = ...) -> None: ...

class ClassifyInput(_message.Message):
    __slots__ = ("text", "chat", "third_party")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CHAT_FIELD_NUMBER: _ClassVar[int]
    THIRD_PARTY_FIELD_NUMBER: _ClassVar[int]
    text: str
    chat: _chat_pb2.Chat
    third_party: bool
    def __init__(self, text: _Optional[str] = ..., chat: _Optional[_Union[_chat_pb2.Chat, _Mapping]] = ..., third_party: bool = ...) -> None: ...

class ClassifyResponse(_message.Message):
    __slots__ = ("results", "usage")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[Classification]
    usage: _generate_pb2.Usage
    def __init__(self, results: _Optional[_Iterable[_Union[Classification, _Mapping]]] = ..., usage: _Optional[_Union[_generate_pb2.Usage, _Mapping]] = ...) -> None: ...

class Classification(_message.Message):
    __slots__ = ("labels", "verdict", "windows", "neutralized_sequences")
    LABELS_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    WINDOWS_FIELD_NUMBER: _ClassVar[int]
    NEUTRALIZED_SEQUENCES_FIELD_NUMBER: _ClassVar[int]
    labels: _containers.RepeatedCompositeFieldContainer[LabelScore]
    verdict: _guard_pb2.GuardVerdict
    windows: _containers.RepeatedCompositeFieldContainer[WindowScore]
    neutralized_sequences: int
    def __init__(self, labels: _Optional[_Iterable[_Union[LabelScore, _Mapping]]] = ..., verdict: _Optional[_Union[_guard_pb2.GuardVerdict, _Mapping]] = ..., windows: _Optional[_Iterable[_Union[WindowScore, _Mapping]]] = ..., neutralized_sequences: _Optional[int] = ...) -> None: ...

class LabelScore(_message.Message):
    __slots__ = ("label", "score")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    label: str
    score: float
    def __init__(self, label: _Optional[str] = ..., score: _Optional[float] = ...) -> None: ...

class WindowScore(_message.Message):
    __slots__ = ("start", "end", "labels")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    start: int
    end: int
    labels: _containers.RepeatedCompositeFieldContainer[LabelScore]
    def __init__(self, start: _Optional[int] = ..., end: _Optional[int] = ..., labels: _Optional[_Iterable[_Union[LabelScore, _Mapping]]] = ...) -> None: ...
