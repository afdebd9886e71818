//! What a plugin author needs: the trait, what it is given, what it says.
