"""Serialize how sources are read: the kinds, the state of reading, partitions, seeks and tests of settings."""

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from webhooks.kit.kinds.setting_serializer import SettingSerializer
from webhooks.kit.rest.fields.json_values import JsonField, ObjectField
from webhooks.kit.rest.fields.references import IdField
from webhooks.kit.rest.fields.scalars import ChoiceField, InstantField, TextField
from webhooks.kit.rest.serializers import StrictSerializer
from webhooks.models import SourcePartition
from webhooks.readers import reading_state
from webhooks.sources.kinds.kind import Sample

EARLIEST, LATEST = "earliest", "latest"
MAX_SHOWN_BODY = 16 * 1024  # bytes of the body of a sample


class SourceReadingSerializer(StrictSerializer):
    """How reading a source from another system goes."""

    state = ChoiceField(
        reading_state.STATES,
        help_text="`failing`: the latest attempt to read failed; the next follows within a minute. `starting`: it was "
        "not read yet.",
    )
    failing_since = serializers.DateTimeField(allow_null=True, help_text="Since when reading fails; null: it works.")
    last_error = serializers.CharField(help_text="Why it fails, in a sentence; empty: it works.")
    error_setting = serializers.CharField(help_text="The field to correct, such as `settings.topic`; empty: none.")
    lag_records = serializers.IntegerField(allow_null=True, help_text="Records not read yet; null: not known.")
    lag_seconds = serializers.FloatField(
        allow_null=True, help_text="Age of the oldest record not read yet, in seconds; null: not known."
    )
    lag_bytes = serializers.IntegerField(
        allow_null=True, help_text="What the other system keeps for this source, in bytes; null: not known."
    )
    warning = serializers.CharField(
        help_text="What endangers the source or the other system, in a sentence, such as a log that fills its disk; "
        "empty: nothing."
    )
    last_record_at = serializers.DateTimeField(
        allow_null=True, help_text="When the latest record was stored; null: none."
    )
    records = serializers.IntegerField(help_text="Records read, with those read again.")
    partitions = serializers.IntegerField(help_text="Number of partitions; 0: the other system has none.")
    failing_partitions = serializers.IntegerField(help_text="Number of partitions that cannot be read now.")


class SourcePartitionSerializer(serializers.ModelSerializer[SourcePartition]):
    """A partition of a source, or all of it where the other system has none."""

    id = IdField(SourcePartition.prefix)
    position = JsonField(help_text="Where reading goes on, in the terms of the other system; null: at the beginning.")

    class Meta:
        model = SourcePartition
        fields = [
            *("id", "name", "position", "records", "lag_records", "lag_seconds", "lag_bytes", "warning"),
            *("last_record_at", "last_read_at"),
            *("next_read_at", "failures", "failing_since", "last_error", "error_setting"),
        ]
        read_only_fields = fields


class SourceSeekSerializer(StrictSerializer):
    """Where to go on reading."""

    to = TextField(
        help_text="`earliest`: the oldest record that exists. `latest`: behind the newest. Or a time, for the first "
        "record at or after it: `2030-01-31T12:00:00Z`."
    )
    partition = TextField(
        required=False, max_length=256, help_text="Name of a partition, as in `partitions/`. Default: all of them."
    )

    def validate_to(self, text: str) -> Any:
        """Return one of the two words, or the time."""
        if text in (EARLIEST, LATEST):
            return text
        try:
            return InstantField().to_internal_value(text)
        except ValidationError:
            raise ValidationError(f"Must be {EARLIEST}, {LATEST} or a time such as 2030-01-31T12:00:00Z.") from None


class SourcePartitionsSerializer(StrictSerializer):
    """Partitions of a source."""

    data = SourcePartitionSerializer(many=True, help_text="The partitions, by name.")  # type: ignore[assignment]


class SampleRecordSerializer(StrictSerializer):
    """A record of another system, as the source would receive it."""

    id = serializers.CharField(help_text="Id, made of its place in the other system: the message id of its receipt.")
    time = serializers.DateTimeField(allow_null=True, help_text="When it was made; null: not known.")
    event_type = serializers.CharField(help_text="Event type that the kind gives it; empty: as the source says.")
    order_key = serializers.CharField(help_text="Order key that the kind gives it; empty: as the source says.")
    content_type = serializers.CharField(help_text="Content type; empty: none.")
    headers = ObjectField(help_text="Headers, names in lower case.")
    body = serializers.SerializerMethodField(help_text="Start of the body as text, up to 16 KiB.")
    size = serializers.SerializerMethodField(help_text="Size of the body in bytes.")
    problem = serializers.CharField(help_text="Why its content cannot be read; empty: it can.")

    def get_body(self, record: Any) -> str:
        return bytes(record.body[:MAX_SHOWN_BODY]).decode("utf-8", "replace")

    def get_size(self, record: Any) -> int:
        return len(record.body)


class SourceSettingsTestSerializer(StrictSerializer):
    """The result of a test of settings."""

    message = serializers.CharField(help_text="What was found, in a sentence.")
    record = SampleRecordSerializer(
        allow_null=True, help_text="The latest record, which stays unread; null: there is none."
    )


def tested(sample: Sample) -> Any:
    """Return the response to a test of settings."""
    return SourceSettingsTestSerializer(sample).data


class SourceSettingSerializer(SettingSerializer):
    """A setting of a kind of sources: a member of `settings` or of `credentials`."""

    names_place = serializers.BooleanField(
        help_text="Whether another value is another place, where reading starts anew."
    )


class SourceKindSerializer(StrictSerializer):
    """A kind of sources: where messages come from."""

    name = serializers.CharField(help_text="Value of `kind` of a source.")
    label = serializers.CharField(help_text="Name of the other system.")  # type: ignore[assignment]
    description = serializers.CharField(help_text="What becomes an event, and the delivery guarantee.")
    installed = serializers.BooleanField(source="is_installed", help_text="Whether its library is installed.")
    extra = serializers.CharField(
        help_text="Extra of the installation that brings its library: `pip install waypost[kafka]`; empty: none."
    )
    missing = serializers.ListField(child=serializers.CharField(), help_text="Python modules that are not installed.")
    partitioned = serializers.BooleanField(
        source="is_partitioned", help_text="Whether the other system has partitions, each with a position of its own."
    )
    seek = serializers.BooleanField(source="can_seek", help_text="Whether its sources can seek.")
    settings = SourceSettingSerializer(many=True, help_text="Its settings and credentials.")


class SourceKindListSerializer(StrictSerializer):
    """All kinds of sources."""

    data = SourceKindSerializer(many=True, help_text="Kinds; `http` is the first.")  # type: ignore[assignment]
