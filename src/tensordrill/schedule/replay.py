"""Cards from events: a fold, so that the cards can always be rebuilt from the history."""

from collections.abc import Iterable, Iterator

from tensordrill.domain import Card, Event
from tensordrill.schedule.memory import review


def step(card: Card | None, event: Event) -> Card | None:
    """The drill's card after one of its events. Only a rated event changes it."""
    if event.rating is None:
        return card
    return review(card, drill=event.drill, level=event.level, rating=event.rating, day=event.study_day)


def replay(events: Iterable[Event]) -> Iterator[tuple[Event, Card | None]]:
    """Each event with its drill's card after it. Keeps one card a drill, whatever the length of the history."""
    cards: dict[str, Card] = {}
    for event in events:
        card = step(cards.get(event.drill), event)
        if card is not None:
            cards[event.drill] = card
        yield event, card


def rebuild(events: Iterable[Event]) -> dict[str, Card]:
    """The cards, by drill, that a history in its order leads to."""
    return {event.drill: card for event, card in replay(events) if card is not None}
