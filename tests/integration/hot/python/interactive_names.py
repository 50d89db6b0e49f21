print(exit, quit, copyright, "_" in dir(__builtins__), help)
