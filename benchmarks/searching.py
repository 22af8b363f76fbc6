"""How fast the grid is answered: a generated library, and what a person types letter by letter, chooses and scrolls to.

Every query is asked once and none is repeated, so that nothing is answered from memory.
"""

from __future__ import annotations

import gc
import itertools
import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

NOWHERE = "http://127.0.0.1:9"
SIZES = (10_000, 100_000)
PARTS = [
    "ka", "lo", "mi", "ren", "tar", "vos", "bel", "dru", "fen", "gil", "hox", "jun", "qua", "sil", "ter", "wyn", "zor", "amb", "ent", "olf", "und",
]  # fmt: skip
TYPES = ["LORA"] * 6 + ["Checkpoint"] * 2 + ["TextualInversion", "VAE", "Controlnet", "LoCon"]
BASES = ["SDXL 1.0", "Pony", "Illustrious", "SD 1.5", "Flux.1 D", "Wan Video"]
SORTS = ["registered", "name", "published", "downloads", "size", "rating", "used", "liked"]


class Words:
    """Six thousand invented words, some of them frequent, as in a language."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.all = ["".join(self.rng.choices(PARTS, k=self.rng.randint(1, 4))) for _ in range(6000)]
        self._weights = list(itertools.accumulate(1 / (place + 1) for place in range(len(self.all))))

    def some(self, count: int) -> list[str]:
        return self.rng.choices(self.all, cum_weights=self._weights, k=count)


def fill(application: Any, count: int, words: Words) -> None:
    """As registering and scanning would have it, without the network: models, versions, hashes, tags, and files for six in ten."""
    from civitai_manager_libs.catalog.files import LocalFile
    from civitai_manager_libs.catalog.models import Entry, VersionEntry

    rng, models, files = words.rng, application.services.models, application.services.files
    for start in range(1, count + 1, 1000):
        entries, local = [], []
        for n in range(start, min(start + 1000, count + 1)):
            name, tags = " ".join(words.some(3)).title(), words.some(6)
            creator, stem = f"{rng.choice(words.all)}{rng.randint(1, 99)}", name.replace(" ", "_")
            versions = [
                VersionEntry(10 * n + v, {100 * n + v: f"{10 * n + v:064x}"}, f"v{v}.0", rng.choice(BASES), "2026-01-01T00:00:00Z")
                for v in range(rng.randint(1, 4), 0, -1)
            ]
            said = " ".join([name, creator, *tags, *words.some(12), *(f"{stem}_v{v}.safetensors" for v in range(3))])
            day = f"2026-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}T00:00:00Z"
            bases = list(dict.fromkeys(version.base_model for version in versions))
            level = rng.choice((1, 1, 3, 7, 31, 0))
            entry = Entry(n, name, rng.choice(TYPES), creator, False, level, bases, day, said, versions, True, tags, rng.randint(0, 10**6), n % 997)
            entries.append((entry, {"id": n, "name": name}))
            if rng.random() < 0.6:
                size = rng.randint(10**6, 10**10)
                path, digest = f"/models/Lora/{stem}_{n}.safetensors", f"{10 * n + 1:064x}"
                local.append(LocalFile(path, size, n, digest, n, 10 * n + 1, 100 * n + 1, kind="lora"))
        models.save_all(entries)
        files.put(local)


def typed(words: Words) -> Iterator[str]:
    """What stands in the search field after each letter, for single words, two words, and words with a filter."""
    for word in dict.fromkeys(words.some(60)):
        for end in range(1, len(word) + 1):
            yield word[:end]
    for one, two in itertools.pairwise(dict.fromkeys(words.some(60))):
        yield f"{one} {two[:3]}"
        yield f"{one} -{two}"
        yield f'"{one} {two}"'
    for word in dict.fromkeys(words.some(30)):
        yield from (f"#{word}", f"@{word[:4]}", f"type:lora {word[:2]}", f'base:"SDXL 1.0" is:downloaded {word[:3]}', f"is:update {word}")


def measured(application: Any, queries: list[Any]) -> list[tuple[float, float]]:
    """Milliseconds of each: by the clock, and of our own work, which a busy machine does not lengthen."""
    return [_timed(partial(application.cards, wanted, limit=100)) for wanted in queries]


def _timed(act: Callable[[], Any]) -> tuple[float, float]:
    began, worked = time.perf_counter(), time.thread_time()
    act()
    return 1000 * (time.perf_counter() - began), 1000 * (time.thread_time() - worked)


def told(times: list[tuple[float, float]]) -> str:
    clock, work = [one[0] for one in times], [one[1] for one in times]
    return f"{statistics.median(clock):.1f} ms, worst {max(clock):.0f} ms (our CPU: {statistics.median(work):.1f}, {max(work):.0f})"


def measure(application: Callable[[Path, str], AbstractContextManager[Any]], folder: Path) -> list[tuple[str, str, str]]:
    from civitai_manager_libs.catalog.models import Wanted

    rows: list[tuple[str, str, str]] = []
    for count in SIZES:
        words, small = Words(count), count == SIZES[0]
        home = folder / f"search{count}"
        with application(home, NOWHERE) as made:
            fill(made, count, words)
        with application(home, NOWHERE) as made:
            gc.collect()
            first = _timed(partial(made.cards, limit=100))
            facets = _timed(made.facets)
            everything = _timed(partial(made.ids, Wanted(sort="size")))
            assert made.cards()["total"] == count
            letters = [Wanted(query=text) for text in dict.fromkeys(typed(words))]
            chosen = [
                Wanted(sort=sort, hide=hide, state=state, type=kind)
                for sort in SORTS for hide in (0, 2, 8) for state in ("", "downloaded", "update") for kind in ("", "LORA")
            ]  # fmt: skip
            search_times, filter_times = measured(made, letters), measured(made, chosen[1:])
            windows = [_timed(partial(made.cards, Wanted(sort="name"), offset=offset, limit=100)) for offset in range(0, count, count // 50)]
            with writing(made, count):
                busy = measured(made, [Wanted(query=one.query, hide=8) for one in letters[::4]])
        title, goal = f"{count:,} models", "under 30 ms, worst 100 ms" if small else "no scan of the table"
        rows += [
            (f"{title}: first window", told([first]), "under 300 ms with the page" if small else "-"),
            (f"{title}: search, {len(letters)} queries letter by letter", told(search_times), goal),
            (f"{title}: {len(chosen)} filters and orders", told(filter_times), goal),
            (f"{title}: search while models are saved", told(busy), "-"),
            (f"{title}: the next windows", told(windows), "-"),
            (f"{title}: select all, with bytes", told([everything]), "-"),
            (f"{title}: counts for the filters", told([facets]), "-"),
        ]
    return rows


class writing:
    """Another thread saves models, 50 in each transaction, as a scan does."""

    def __init__(self, application: Any, count: int) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(application, count))

    def _work(self, application: Any, count: int) -> None:
        from civitai_manager_libs.catalog.models import Entry

        for start in itertools.count(count + 1, 50):
            if self._stop.wait(0.02):
                return
            fresh = (Entry(n, f"Fresh {n}", "LORA", "scan", False, 1, [], "", f"fresh {n}", []) for n in range(start, start + 50))
            application.services.models.save_all((entry, {}) for entry in fresh)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()
