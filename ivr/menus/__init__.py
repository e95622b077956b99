"""What a person hears, and which key does what: one menu, one file, one class whose `run` reads like a paragraph."""
