"""Check that results are kept for short texts only."""

from webhooks.kit.caches.short_text_cache import MAX_LENGTH, short_text_cache


def test_long_texts_are_computed_each_time_and_not_kept() -> None:
    computed: list[str] = []

    @short_text_cache(2)
    def length(text: str) -> int:
        computed.append(text)
        return len(text)

    short, long = "a" * MAX_LENGTH, "a" * (MAX_LENGTH + 1)
    assert [length(short), length(short), length(long), length(long)] == [128, 128, 129, 129]
    assert computed == [short, long, long]
