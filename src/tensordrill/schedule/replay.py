"""Cards from events: a fold, so that the cards can always be rebuilt from the history."""

from collections.abc import Collection, Iterable, Iterator

from tensordrill.domain import Card, Event, EventType
from tensordrill.schedule.memory import placed, review
from tensordrill.schedule.rating import retention_of


def step(card: Card | None, event: Event) -> Card | None:
    """The drill's card after one of its events. Only a rating changes it; a placement makes the first one."""
    if event.type is EventType.PLACED and event.stability is not None:
        return card or placed(event.drill, level=event.level, stability=event.stability, day=event.study_day)
    if event.rating is None:
        return card
    retention = retention_of(event.policy)
    return review(
        card, drill=event.drill, level=event.level, rating=event.rating, day=event.study_day, retention=retention
    )


def replay(events: Iterable[Event], undone: Collection[str] = ()) -> Iterator[tuple[Event, Card | None]]:
    """Each event with its drill's card after it. Those `undone`, by id, change no card, as if they had not been.

    Keeps one card a drill, whatever the length of the history.
    """
    cards: dict[str, Card] = {}
    for event in events:
        card = cards.get(event.drill)
        if not undone or event.id not in undone:
            card = step(card, event)
        if card is not None:
            cards[event.drill] = card
        yield event, card


def rebuild(events: Iterable[Event], undone: Collection[str] = ()) -> dict[str, Card]:
    """The cards, by drill, that a history in its order leads to, without the events that are undone."""
    return {event.drill: card for event, card in replay(events, undone) if card is not None}
