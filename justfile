# Every acceptance program, on a release build.
accept:
    scripts/accept

# What CI runs.
ci:
    .ci/run
