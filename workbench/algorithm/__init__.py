"""The only code that trades. It runs inside Lean: standard library only, siblings imported by bare name."""
