"""Names of the videos of the index that the tests of its page are about."""

HOSTILE = ("<img src=x onerror=alert(1)>", "\"quoted\" & 'so' #%3F;", "line\nbreak\x1b[31m", "\u202egpj.exe")
"""Names of files without their ending."""
XVID = "old/v9"
LONG = "long/v8"
