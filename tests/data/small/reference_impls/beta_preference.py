"""Beta preference, for the tests of the catalog only."""
