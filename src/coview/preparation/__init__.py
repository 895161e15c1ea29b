"""Station 4: views over a collection: resumable, parallel, on one machine or many."""
