"""Paddock's API, generated from protos/paddock by `make proto`. Not to be edited."""
