"""The house style, as tests: each check is one test and names every place it dislikes."""
