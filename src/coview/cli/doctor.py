"""`coview doctor`."""

from dataclasses import dataclass

from coview.cli.command import Command, Settings


@dataclass(frozen=True)
class Doctor(Command):
    """Show what is installed, what is missing for which feature, and which codecs and devices work; test it quickly."""

    def run(self, settings: Settings) -> int:
        """Print the findings as they come; the exit status is 1 if something is broken."""
        from rich.console import Console

        from coview.cli.examination import examine

        colours = {"ok": "green", "missing": "yellow", "note": "cyan", "broken": "bold red"}
        console, is_broken = Console(soft_wrap=True, highlight=False), False
        for finding in examine():
            is_broken |= finding.verdict == "broken"
            verdict = f"[{colours[finding.verdict]}]{finding.verdict:8}[/]"
            console.print(f"{verdict} {finding.what:18} {finding.detail}")
        return 1 if is_broken else 0
