"""api/openapi.yaml is what the protos say."""

import sys

import repository


def test_openapi_is_up_to_date():
    repository.report_run([sys.executable, "scripts/generate-openapi", "--check"])
