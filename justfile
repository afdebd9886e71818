# Every acceptance program, on a release build.
accept:
    scripts/accept

# What holds under kills, cuts and full disks: the long forms, which take hours.
soak:
    tests/reliability/run --long

# Whether what is public is as `crates/*/api.txt` say.
api:
    scripts/public-api --check

# What CI runs.
ci:
    .ci/run

# A million random changes of the embedded store, with crashes, against a map.
model:
    CARTONYM_MODEL_CHANGES=1000000 cargo test --release -p cartonym-backend-embedded --test model -- --nocapture
