"""Usage and help of a command: arguments under their own names, without types and braces."""

from __future__ import annotations

from typing import Any

from typer.core import TyperArgument, TyperCommand


class Command(TyperCommand):
    """A command whose arguments are shown as `URL ...`, and as `[ID]` where there may be none."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The usage line after the command's name."""
        return [str(self.options_metavar), *(_shown(each) for each in self._arguments())]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The lists of arguments and options."""
        arguments = [(str(each.metavar), each.help or "") for each in self._arguments()]
        options = [each.get_help_record(ctx) for each in self.get_params(ctx) if not isinstance(each, TyperArgument)]
        for title, entries in (("Arguments", arguments), ("Options", options)):
            if entries:
                with formatter.section(title):
                    formatter.write_dl(entries)

    def _arguments(self) -> list[TyperArgument]:
        return [each for each in self.params if isinstance(each, TyperArgument)]


def _shown(argument: TyperArgument) -> str:
    shown = f"{argument.metavar} ..." if argument.nargs != 1 else str(argument.metavar)
    return shown if argument.required else f"[{shown}]"
