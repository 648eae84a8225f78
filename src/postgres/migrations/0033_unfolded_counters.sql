-- What is folded stays for as long as runs do; what is not is found without looking through that.
create index end_counts_unfolded on end_counts (hour) where shard >= 0;
create index failure_counts_unfolded on failure_counts (hour) where shard >= 0;
