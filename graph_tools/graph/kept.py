"""What is worked out once and kept beside what it was worked out of."""

import threading
from typing import Any, Callable, Dict, Tuple


class Kept:
    """What is made of something once, by whichever thread asks first; a pickled or copied one begins anew."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._values: Dict[Any, Any] = {}

    def get(self, key: Any, make: Callable[[], Any]) -> Any:
        """What is kept under a key; made by ``make`` while every other thread waits."""
        with self._lock:
            if key not in self._values:
                self._values[key] = make()
            return self._values[key]

    def take(self, key: Any, other: "Kept") -> None:
        """Keeps what another has made under a key, if it has, as if that were made here."""
        with other._lock:
            made = key in other._values
        if made:
            self.get(key, lambda: other._values[key])

    def __reduce__(self) -> Tuple[Any, ...]:
        return Kept, ()
