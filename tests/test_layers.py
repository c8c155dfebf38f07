"""The contracts of import-linter name every module that they are about."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROGRAM = {
    f"nftwave.{path.stem}"
    for path in (ROOT / "nftwave").iterdir()
    if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").exists()
}


def test_the_lab_is_kept_from_every_part_of_the_program():
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (contract,) = [c for c in told["contracts"] if c.get("source_modules") == ["nftwave.lab"]]
    assert set(contract["forbidden_modules"]) == (PROGRAM - {"nftwave.lab"}) | {"flows", "tasks"}
