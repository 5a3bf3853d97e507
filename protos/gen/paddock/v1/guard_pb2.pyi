from paddock.v1 import chat_pb2 as _chat_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GuardDecision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GUARD_DECISION_UNSPECIFIED: _ClassVar[GuardDecision]
    GUARD_DECISION_SAFE: _ClassVar[GuardDecision]
    GUARD_DECISION_UNSAFE: _ClassVar[GuardDecision]
    GUARD_DECISION_UNPARSEABLE: _ClassVar[GuardDecision]

class GuardMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GUARD_MODE_UNSPECIFIED: _ClassVar[GuardMode]
    GUARD_MODE_OFF: _ClassVar[GuardMode]
    GUARD_MODE_ANNOTATE: _ClassVar[GuardMode]
    GUARD_MODE_ENFORCE: _ClassVar[GuardMode]

class GuardSubject(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GUARD_SUBJECT_UNSPECIFIED: _ClassVar[GuardSubject]
    GUARD_SUBJECT_INPUT: _ClassVar[GuardSubject]
    GUARD_SUBJECT_OUTPUT: _ClassVar[GuardSubject]
GUARD_DECISION_UNSPECIFIED: GuardDecision
GUARD_DECISION_SAFE: GuardDecision
GUARD_DECISION_UNSAFE: GuardDecision
GUARD_DECISION_UNPARSEABLE: GuardDecision
GUARD_MODE_UNSPECIFIED: GuardMode
GUARD_MODE_OFF: GuardMode
GUARD_MODE_ANNOTATE: GuardMode
GUARD_MODE_ENFORCE: GuardMode
GUARD_SUBJECT_UNSPECIFIED: GuardSubject
GUARD_SUBJECT_INPUT: GuardSubject
GUARD_SUBJECT_OUTPUT: GuardSubject

class GuardOptions(_message.Message):
    __slots__ = ("input", "output")
    INPUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    input: GuardMode
    output: GuardMode
    def __init__(self, input: _Optional[_Union[GuardMode, str]] = ..., output: _Optional[_Union[GuardMode, str]] = ...) -> None: ...

class HazardCategory(_message.Message):
    __slots__ = ("code", "name", "description")
    CODE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    code: str
    name: str
    description: str
    def __init__(self, code: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...

class GuardVerdict(_message.Message):
    __slots__ = ("decision", "unsafe_probability", "categories", "judged_role")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    UNSAFE_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    JUDGED_ROLE_FIELD_NUMBER: _ClassVar[int]
    decision: GuardDecision
    unsafe_probability: float
    categories: _containers.RepeatedScalarFieldContainer[str]
    judged_role: _chat_pb2.Role
    def __init__(self, decision: _Optional[_Union[GuardDecision, str]] = ..., unsafe_probability: _Optional[float] = ..., categories: _Optional[_Iterable[str]] = ..., judged_role: _Optional[_Union[_chat_pb2.Role, str]] = ...) -> None: ...

class GuardEvent(_message.Message):
    __slots__ = ("guard_model", "verdict", "subject", "released_through")
    GUARD_MODEL_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    RELEASED_THROUGH_FIELD_NUMBER: _ClassVar[int]
    guard_model: str
    verdict: GuardVerdict
    subject: GuardSubject
    released_through: int
    def __init__(self, guard_model: _Optional[str] = ..., verdict: _Optional[_Union[GuardVerdict, _Mapping]] = ..., subject: _Optional[_Union[GuardSubject, str]] = ..., released_through: _Optional[int] = ...) -> None: ...
