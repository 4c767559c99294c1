-- When this package last had the table analyzed as a whole.
SELECT max(happened_at) AS moment
  FROM partition_lifecycle.event
 WHERE parent = %(parent)s AND action = 'analyze' AND outcome = 'done' AND partition = %(parent)s
