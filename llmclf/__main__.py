"""The command line: `python -m llmclf --help`."""

from llmclf.cli.parser import main

raise SystemExit(main())
