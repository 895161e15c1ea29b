"""`coview doctor`."""

from collections import Counter
from dataclasses import dataclass

from coview.cli.command import Command, Settings


@dataclass(frozen=True)
class Doctor(Command):
    """Show what is installed, what is missing for which feature, and which codecs and devices work; test it quickly.

    What is not as it could be has a remedy below it. The exit status is 1 if something is broken.
    """

    def run(self, settings: Settings) -> int:
        """Print the findings, group by group, as they come."""
        from rich.console import Console
        from rich.markup import escape

        from coview.cli.examination import examine

        colours = {"ok": "green", "missing": "yellow", "note": "cyan", "broken": "bold red"}
        console, counts = Console(soft_wrap=True, highlight=False), Counter[str]()
        for title, findings in examine():
            console.print(f"[bold]{title}[/]")
            for finding in findings:
                counts[finding.verdict] += 1
                verdict = f"[{colours[finding.verdict]}]{finding.verdict:8}[/]"
                console.print(f"  {verdict} {finding.what:14} {escape(finding.detail)}")
                if finding.remedy:
                    console.print(f"  {'':8} {'':14} -> {escape(finding.remedy)}")
        console.print(f"{counts['broken'] or 'nothing'} broken, {counts['missing']} optional missing")
        return 1 if counts["broken"] else 0
