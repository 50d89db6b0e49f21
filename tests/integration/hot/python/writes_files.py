import pathlib
pathlib.Path("made.txt").write_text("made")
pathlib.Path("dir").mkdir()
pathlib.Path("dir/deep.txt").write_text("deep")
pathlib.Path("data/table.txt").unlink()
