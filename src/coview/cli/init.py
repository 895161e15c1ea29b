"""`coview init`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro

from coview.cli.command import Command, Settings


@dataclass(frozen=True)
class Init(Command):
    """Look at videos, machine and time, choose a first run, say why, and write it as a config to change.

    DIR is a folder of videos, or what `coview prepare` made of one. Videos are looked at, flow and a training step are
    timed on this machine; nothing but the config is written. What to type next stands at the end.

    Examples:
        coview init my_videos --minutes 30
        coview init data/mine --out mine.yaml --training.batch-size 8
    """

    takes_settings: ClassVar[bool] = True
    plain_settings: ClassVar[tuple[str, ...]] = ("seed", "split", "preset")
    runs_encoders: ClassVar[bool] = True

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")]
    """Folder of videos, or a prepared data set."""
    minutes: float = 10.0
    """How long training shall last."""
    out: Path | None = None
    """The config to write; not set: named after DIR, here."""
    views: tuple[str, ...] = ()
    """Views to use; not set: chosen."""
    flow: Literal["tvl1", "farneback", "dis"] | None = None
    """Algorithm of the flow; not set: tvl1, or dis where tvl1 would take longer than training."""
    device: str = "auto"
    """auto, cpu, cuda, or cuda:N."""

    def run(self, settings: Settings) -> int:
        """Choose, write, and say what was found, what was chosen and what comes next."""
        from coview.errors import UserError
        from coview.files import require_writable, write_text
        from coview.training.first_run import plan_first_run

        out = self.out or Path(f"{self.folder.resolve().name}.yaml")
        if out.exists():
            raise UserError(f"{out} is there already; name another with --out, or remove it")
        require_writable(out)
        first = plan_first_run(
            self.folder, settings, minutes=self.minutes, views=self.views, flow=self.flow, device=self.device
        )
        write_text(out, first.to_yaml(out))
        print("\n".join(first.found))
        width = max(len(choice.what) for choice in first.choices)
        for choice in first.choices:
            print(f"  {choice.what:{width}}  {choice.value}: {choice.why}")
        print("\n".join([f"wrote {out}, to read and to change. Next:", *(f"  {c}" for c in first.command_lines(out))]))
        return 0
